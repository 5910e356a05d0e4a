//! `runstep runs submit`: the outputs that a run waits for.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use runstep::Client;
use runstep::types::{Run, ToolOutput};

use super::RunArguments;
use super::show::print;
use super::watch::{RunView, finish, follower};
use crate::connection::pair;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input::{self, MAX_OUTPUT_KIB};
use crate::outcome;
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct SubmitArguments {
    #[command(flatten)]
    run: RunArguments,
    /// The output of a call. Without outputs, the program asks for each at a terminal
    #[arg(long = "output", value_name = "CALL=TEXT", value_parser = pair)]
    outputs: Vec<(String, String)>,
    /// The output of a call, from a file
    #[arg(long = "output-file", value_name = "CALL=FILE", value_parser = pair)]
    files: Vec<(String, String)>,
    /// Follow the run to its end
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(
    arguments: &SubmitArguments,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let RunArguments { run, thread } = &arguments.run;
    let runs = client.runs(thread);
    let mut outputs = given_outputs(arguments)?;
    if outputs.is_empty() {
        outputs = ask(&runs.retrieve(run).await?, terminal).await?;
    }
    let outputs = outputs
        .into_iter()
        .map(|(call, output)| ToolOutput::default().tool_call_id(call).output(output));
    let request = runs.submit_tool_outputs(run).outputs(outputs);
    if !arguments.wait {
        print(&request.await?, terminal)?;
        return Ok(Exit::Success);
    }
    let mut follower = follower(client, run, thread, false, terminal)?;
    let events = follower.request(request.stream()).await?;
    let run = Box::pin(follower.stream(events, &mut RunView::default())).await?;
    finish(&run, terminal)
}

/// Returns the outputs of the arguments.
fn given_outputs(arguments: &SubmitArguments) -> Result<BTreeMap<String, String>, CliError> {
    let mut calls = HashSet::new();
    let mut given = arguments.outputs.iter().chain(&arguments.files);
    if let Some((call, _)) = given.find(|(call, _)| !calls.insert(call)) {
        return Err(CliError::usage(
            format!("the call {call} has more than one output"),
            "use --output or --output-file once for each call",
        ));
    }
    let mut outputs: BTreeMap<String, String> = arguments.outputs.iter().cloned().collect();
    for (call, path) in &arguments.files {
        outputs.insert(call.clone(), input::read_file(Path::new(path), MAX_OUTPUT_KIB)?);
    }
    Ok(outputs)
}

/// Asks for the output of each call that the run waits for.
async fn ask(run: &Run, terminal: &mut Terminal) -> Result<BTreeMap<String, String>, CliError> {
    let calls = run.function_calls();
    if calls.is_empty() {
        let message = format!("{} is {}, so it waits for no outputs", run.id, run.status);
        return Err(CliError::Usage(message));
    }
    if !terminal.prompts.is_interactive() {
        let waiting = outcome::reason(run).unwrap_or_default();
        let message =
            format!("no outputs are given, and standard input is not a terminal; {waiting}");
        return Err(CliError::usage(message, "use --output CALL=TEXT for each call"));
    }
    let mut outputs = BTreeMap::new();
    for call in calls {
        let (name, arguments) = (&call.function.name, &call.function.arguments);
        let question = format!("{name}({arguments})\n  output: ");
        let answer = terminal.prompts.ask(&question).await?;
        let answer = answer.ok_or_else(|| CliError::Usage("the input ended".to_owned()))?;
        outputs.insert(call.id.clone(), answer);
    }
    Ok(outputs)
}
