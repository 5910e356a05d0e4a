//! `runstep completions`: a completion script for a shell.

use clap_complete::Shell;

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(
    arguments: &CompletionsArguments,
    command: &mut clap::Command,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "runstep", &mut script);
    terminal.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Success)
}
