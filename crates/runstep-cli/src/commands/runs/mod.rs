//! `runstep runs`: lists, shows, watches, cancels and continues runs.

mod cancel;
mod list;
mod show;
mod submit;
mod watch;

use clap::Subcommand;

use crate::connection::ConnectionOptions;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List runs, newest first: those of a thread, or of all threads if the provider can list them
    List(list::ListArguments),
    /// Show a run
    Show(RunArguments),
    /// Follow a run to its end
    Watch(watch::WatchArguments),
    /// Cancel a run
    Cancel(cancel::CancelArguments),
    /// Submit the outputs that a run waits for
    Submit(submit::SubmitArguments),
}

/// Which run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RunArguments {
    /// The run
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// The thread of the run
    #[arg(long, value_name = "ID")]
    pub(crate) thread: String,
}

pub(crate) async fn run(
    command: RunsCommand,
    connection: &ConnectionOptions,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let client = connection.client()?;
    match command {
        RunsCommand::List(list) => Box::pin(list::run(&list, &client, terminal)).await,
        RunsCommand::Show(show) => Box::pin(show::run(&show, &client, terminal)).await,
        RunsCommand::Watch(watch) => Box::pin(watch::run(&watch, &client, terminal)).await,
        RunsCommand::Cancel(cancel) => Box::pin(cancel::run(&cancel, &client, terminal)).await,
        RunsCommand::Submit(submit) => Box::pin(submit::run(&submit, &client, terminal)).await,
    }
}
