//! Executes the command of the arguments.

use clap::CommandFactory as _;

use crate::arguments::{Arguments, Command};
use crate::commands::{api, ask, assistants, completions, doctor, export, runs, steps, threads};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Executes the command of the arguments.
pub(crate) async fn run(arguments: Arguments, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let connection = &arguments.connection;
    // The futures are boxed: the longest one would determine the size of all.
    match arguments.command {
        Command::Ask(ask) => Box::pin(ask::run(ask, connection, terminal)).await,
        Command::Runs(command) => Box::pin(runs::run(command, connection, terminal)).await,
        Command::Threads(command) => Box::pin(threads::run(command, connection, terminal)).await,
        Command::Assistants(command) => {
            Box::pin(assistants::run(command, connection, terminal)).await
        }
        Command::Steps(steps) => Box::pin(steps::run(steps, connection, terminal)).await,
        Command::Export(export) => Box::pin(export::run(export, connection, terminal)).await,
        Command::Doctor(doctor) => Box::pin(doctor::run(doctor, connection, terminal)).await,
        Command::Api(api) => Box::pin(api::run(api, connection, terminal)).await,
        Command::Completions(completions) => {
            completions::run(&completions, &mut Arguments::command(), terminal)
        }
    }
}
