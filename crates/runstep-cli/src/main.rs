//! The program `runstep`: the Run and Run Step API in a terminal.
//!
//! ```text
//! arguments ─▶ commands ─▶ follow, interrupts ─▶ connection (SDK)
//!                  └─▶ terminal: text, colors, prompts, progress
//! ```

mod arguments;
mod commands;
mod connection;
mod dispatch;
mod error;
mod exit;
mod follow;
mod input;
mod interrupts;
mod outcome;
mod secrets;
mod terminal;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use arguments::Arguments;
use error::CliError;
use exit::Exit;
use terminal::Terminal;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return ExitCode::from(print_usage(&error).code()),
    };
    let secrets = arguments.connection.secrets.clone();
    let mut terminal = Terminal::new(&arguments.output, secrets);
    let exit = match Box::pin(dispatch::run(arguments, &mut terminal)).await {
        Ok(exit) => exit,
        Err(error) => {
            terminal.error(&error);
            error.exit()
        }
    };
    ExitCode::from(exit.code())
}

/// Prints what the parser of arguments returns: the help, the version, or why they are not valid.
fn print_usage(message: &clap::Error) -> Exit {
    let printed = message.print().and_then(|()| io::stdout().flush());
    match printed.map_err(CliError::Output) {
        _ if message.use_stderr() => Exit::Usage,
        Ok(()) => Exit::Success,
        Err(error) => {
            if error.exit() != Exit::BrokenPipe {
                // There is no other place to print an error.
                let _ = writeln!(io::stderr(), "error: {error}");
            }
            error.exit()
        }
    }
}
