//! `runstep ask`: asks an assistant and prints its answer.

mod approval;
mod command_tool;
mod view;

use std::sync::Arc;
use std::time::Duration;

use runstep::tools::{ToolEvent, ToolOptions, Toolbox};
use runstep::types::{Run, Tool};
use runstep::{Client, RunRef, RunRequest, StartRun};
use serde_json::json;

use crate::connection::{ConnectionOptions, time_limit};
use crate::error::CliError;
use crate::exit::Exit;
use crate::follow::{CancelPolicy, Follower};
use crate::input::{self, MAX_QUESTION_KIB};
use crate::interrupts::Interrupts;
use crate::outcome;
use crate::secrets::Secrets;
use crate::terminal::{Prompts, Terminal, text};
use approval::Approvals;
use command_tool::CommandTool;
use view::AnswerView;

#[derive(Debug, clap::Args)]
pub(crate) struct AskArguments {
    /// The question; `-` reads it from standard input
    question: String,
    /// The assistant
    #[arg(long, value_name = "ID", env = "RUNSTEP_ASSISTANT", hide_env_values = true)]
    assistant: String,
    /// The thread to continue [default: a new thread]
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// Instructions for this run, instead of those of the assistant
    #[arg(long, value_name = "TEXT")]
    instructions: Option<String>,
    /// Model for this run, instead of that of the assistant
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// A command as a tool, such as 'weather=curl -s wttr.in/{city}'. Each {name} is an argument that the
    /// model chooses. There is no shell: an argument stays one argument of the command, whatever it
    /// contains. The command also gets all arguments as JSON on its standard input
    #[arg(long = "tool", value_name = "NAME=COMMAND", value_parser = command_tool::parse)]
    tools: Vec<CommandTool>,
    /// Run the commands of tools without asking
    #[arg(long)]
    yes: bool,
    /// Time limit of one call of a tool, of at least 1ms
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = time_limit)]
    tool_timeout: Duration,
    /// How long to wait for the end of the run
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = humantime::parse_duration)]
    deadline: Duration,
    /// Cancel the run on Ctrl-C without asking
    #[arg(long)]
    cancel_on_interrupt: bool,
}

pub(crate) async fn run(
    arguments: AskArguments,
    connection: &ConnectionOptions,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    if !arguments.tools.is_empty() && !arguments.yes && !terminal.prompts.is_interactive() {
        return Err(CliError::usage(
            "the commands of tools need a confirmation, and standard input is not a terminal",
            "use --yes to run them without asking",
        ));
    }
    let question = question(&arguments.question)?;
    let client = connection.client()?;
    let tools = match arguments.tools.is_empty() {
        true => None,
        false => Some(tools(&arguments, connection, &client, terminal.prompts.clone()).await?),
    };
    let mut view = AnswerView::default();
    let policy =
        CancelPolicy { without_question: arguments.cancel_on_interrupt, on_closed_output: true };
    let mut follower = Follower {
        client: &client,
        interrupts: Interrupts::listen().map_err(CliError::Signal)?,
        policy,
        run: None,
        terminal,
    };
    let run = match &arguments.thread {
        Some(thread) => {
            let mut request = client
                .runs(thread)
                .create(&arguments.assistant)
                .user_message(question)
                .instructions(arguments.instructions.clone())
                .model(arguments.model.clone());
            if let Some(tools) = &tools {
                request = request.tools(tools.definitions.clone());
            }
            follow(request, tools, &arguments, &mut follower, &mut view).await?
        }
        None => {
            let mut request = client
                .threads()
                .create_and_run(&arguments.assistant)
                .user_message(question)
                .instructions(arguments.instructions.clone())
                .model(arguments.model.clone());
            if let Some(tools) = &tools {
                request = request.tools(tools.definitions.clone());
            }
            follow(request, tools, &arguments, &mut follower, &mut view).await?
        }
    };
    finish(&run, view, terminal)
}

/// Sends the request and shows the events until the run ends.
async fn follow<R: StartRun>(
    request: RunRequest<R>,
    tools: Option<Tools>,
    arguments: &AskArguments,
    follower: &mut Follower<'_>,
    view: &mut AnswerView,
) -> Result<Run, CliError> {
    let request = request.deadline(arguments.deadline);
    let Some(Tools { toolbox, approvals, .. }) = tools else {
        let events = follower.request(request.stream()).await?;
        return Box::pin(follower.stream(events, view)).await;
    };
    let secrets = follower.terminal.secrets.clone();
    let request = request
        .toolbox(&toolbox)
        // The definitions are part of the request: those of the toolbox lack the names of arguments.
        .attach(false)
        .approve(move |call| {
            let approvals = Arc::clone(&approvals);
            async move { approvals.decide(&call).await }
        })
        .on_progress(move |event| show_call(event, &secrets));
    let events = follower.request(request.stream()).await?;
    Box::pin(follower.stream(events, view)).await
}

/// Shows what happens to a call, on standard error.
fn show_call(event: &ToolEvent, secrets: &Secrets) {
    let message = match event {
        ToolEvent::Failed { error, .. } => error.to_string().trim_end().to_owned(),
        ToolEvent::Finished { call, output, .. } => {
            format!("{} returned {} bytes", call.name, output.len())
        }
        _ => return,
    };
    eprintln!("{}", text::lines(&secrets.hide(&message)));
}

/// What a run with tools needs.
struct Tools {
    toolbox: Toolbox,
    approvals: Arc<Approvals>,
    definitions: Vec<Tool>,
}

/// Merges the commands with the tools of the assistant: the tools of a run replace those.
async fn tools(
    arguments: &AskArguments,
    connection: &ConnectionOptions,
    client: &Client,
    prompts: Prompts,
) -> Result<Tools, CliError> {
    let assistant = client.assistants().retrieve(&arguments.assistant).await?;
    let mut toolbox = Toolbox::new();
    let mut definitions = Vec::new();
    let secrets: Arc<[String]> =
        connection.secret_variables().into_iter().map(str::to_owned).collect();
    for tool in &arguments.tools {
        let existing = assistant.tools.iter().find(
            |known| matches!(known, Tool::Function(known) if known.function.name == tool.name()),
        );
        definitions.push(existing.cloned().unwrap_or_else(|| tool.definition()));
        let options = ToolOptions::default().timeout(arguments.tool_timeout);
        let (command, secrets) = (tool.clone(), Arc::clone(&secrets));
        toolbox = toolbox.function_with(tool.name(), options, move |values| {
            let (command, secrets) = (command.clone(), Arc::clone(&secrets));
            async move { command.execute(&values, &secrets).await }
        });
    }
    for tool in assistant.tools {
        let is_command = matches!(&tool, Tool::Function(function)
            if arguments.tools.iter().any(|command| command.name() == function.function.name));
        if !is_command {
            definitions.push(tool.clone());
            // Its calls end the wait: the person submits the outputs.
            toolbox = toolbox.tool(tool);
        }
    }
    toolbox.check()?;
    let approvals = Arc::new(Approvals::new(&arguments.tools, arguments.yes, prompts));
    Ok(Tools { toolbox, approvals, definitions })
}

/// Returns the question, from standard input of at most 1 MiB if it is `-`.
fn question(argument: &str) -> Result<String, CliError> {
    let question = match argument {
        "-" => input::read_stdin(MAX_QUESTION_KIB)?,
        question => question.to_owned(),
    };
    if question.trim().is_empty() {
        return Err(CliError::usage("the question is empty", "write it as the argument of `ask`"));
    }
    Ok(question)
}

/// Prints how the run ended.
fn finish(run: &Run, view: AnswerView, terminal: &mut Terminal) -> Result<Exit, CliError> {
    if terminal.is_json {
        let messages = view.into_messages();
        let text: Vec<String> = messages.iter().map(runstep::types::Message::text).collect();
        terminal.json(&json!({
            "object": "runstep.answer",
            "thread_id": run.thread_id,
            "run_id": run.id,
            "status": run.status,
            "text": text.join("\n\n"),
            "messages": messages,
            "run": run,
        }))?;
        return Ok(Exit::of_run(run));
    }
    terminal.end_line()?;
    match outcome::reason(run) {
        Some(reason) if run.is_terminal() => {
            terminal.warning(format!("the run is {}: {reason}", run.status));
        }
        Some(reason) => terminal.note(reason),
        None => {}
    }
    let RunRef { thread_id, run_id, .. } = RunRef::from(run);
    terminal.note(format!("{}; run {run_id}, thread {thread_id}", outcome::summary(run)));
    if run.status == runstep::types::RunStatus::RequiresAction {
        terminal.note(format!(
            "continue with: runstep runs submit {run_id} --thread {thread_id} --output CALL=TEXT"
        ));
    }
    Ok(Exit::of_run(run))
}
