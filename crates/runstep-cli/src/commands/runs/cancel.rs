//! `runstep runs cancel`.

use runstep::Client;

use super::RunArguments;
use super::show::print;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct CancelArguments {
    #[command(flatten)]
    run: RunArguments,
    /// Wait until the run has ended; it may still complete
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(
    arguments: &CancelArguments,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let RunArguments { run, thread } = &arguments.run;
    let runs = client.runs(thread);
    let mut cancelled = runs.cancel(run).await?;
    if arguments.wait {
        cancelled = runs.poll(run).await?;
    }
    print(&cancelled, terminal)?;
    Ok(Exit::Success)
}
