//! `runstep runs watch`: follows a run to its end.

use std::time::Duration;

use runstep::types::{Message, Run, RunStep};
use runstep::{Client, RunEvent, RunRef};

use super::RunArguments;
use crate::error::CliError;
use crate::exit::Exit;
use crate::follow::{CancelPolicy, Follower, View, run_of};
use crate::interrupts::Interrupts;
use crate::outcome;
use crate::terminal::{Terminal, text, time};

#[derive(Debug, clap::Args)]
pub(crate) struct WatchArguments {
    #[command(flatten)]
    run: RunArguments,
    /// How long to wait for the end of the run
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = humantime::parse_duration)]
    deadline: Duration,
    /// Cancel the run on Ctrl-C without asking
    #[arg(long)]
    cancel_on_interrupt: bool,
}

pub(super) async fn run(
    arguments: &WatchArguments,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let RunArguments { run, thread } = &arguments.run;
    let mut follower = follower(client, run, thread, arguments.cancel_on_interrupt, terminal)?;
    let request = client.runs(thread).stream(run).deadline(arguments.deadline);
    let events = follower.request(request.into_future()).await?;
    let run = Box::pin(follower.stream(events, &mut RunView::default())).await?;
    finish(&run, terminal)
}

/// Returns a follower of a run that exists.
pub(super) fn follower<'a>(
    client: &'a Client,
    run: &str,
    thread: &str,
    without_question: bool,
    terminal: &'a mut Terminal,
) -> Result<Follower<'a>, CliError> {
    Ok(Follower {
        client,
        terminal,
        interrupts: Interrupts::listen().map_err(CliError::Signal)?,
        policy: CancelPolicy { without_question, on_closed_output: false },
        run: Some(RunRef::from((thread, run))),
    })
}

/// Prints why the run ended, and returns the exit code.
pub(super) fn finish(run: &Run, terminal: &mut Terminal) -> Result<Exit, CliError> {
    if !terminal.is_json
        && let Some(reason) = outcome::reason(run)
    {
        terminal.reason(&reason)?;
    }
    Ok(Exit::of_run(run))
}

/// Prints what happens to a run: a line for each change, or each event as JSON.
#[derive(Default)]
pub(super) struct RunView {
    status: Option<String>,
}

impl RunView {
    fn run(&mut self, run: &Run, terminal: &mut Terminal) -> Result<(), CliError> {
        let status = run.status.to_string();
        if self.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let style = terminal.palette.run_status(&run.status);
        let summary = match run.is_terminal() {
            true => outcome::summary(run),
            false => status.clone(),
        };
        self.status = Some(status);
        terminal.line(format!("run      {style}{}{style:#}", text::line(&summary)))
    }
}

fn print_step(step: &RunStep, terminal: &mut Terminal) -> Result<(), CliError> {
    let what = outcome::describe_step(step);
    let status = step.status.to_string();
    let style = terminal.palette.status(&status);
    let mut line = format!(
        "step     {} {style}{}{style:#}",
        text::excerpt(&what, terminal.width().saturating_sub(30)),
        text::line(&status)
    );
    if let Some(duration) = step.duration() {
        line.push_str(&format!(", {}", time::duration(Some(duration))));
    }
    if let Some(total) = step.usage.as_ref().and_then(|usage| usage.total_tokens) {
        line.push_str(&format!(", {total} tokens"));
    }
    terminal.line(line)
}

fn print_message(message: &Message, terminal: &mut Terminal) -> Result<(), CliError> {
    let text = message.text();
    for (index, line) in text.lines().enumerate() {
        let head = if index == 0 { "message" } else { "" };
        terminal.line(format!("{head:8} {}", text::line(line)))?;
    }
    Ok(())
}

impl View for RunView {
    fn event(&mut self, event: &RunEvent, terminal: &mut Terminal) -> Result<(), CliError> {
        if terminal.is_json {
            return terminal.json(event);
        }
        if let Some(run) = run_of(event) {
            return self.run(run, terminal);
        }
        match event {
            RunEvent::StepCompleted(step)
            | RunEvent::StepFailed(step)
            | RunEvent::StepCancelled(step)
            | RunEvent::StepExpired(step) => print_step(step, terminal),
            RunEvent::MessageCompleted(message) | RunEvent::MessageIncomplete(message) => {
                print_message(message, terminal)
            }
            _ => Ok(()),
        }
    }
}
