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
mod interrupts;
mod outcome;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::Arguments;
use terminal::Terminal;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut terminal = Terminal::new(&arguments.output);
    let exit = match Box::pin(dispatch::run(arguments, &mut terminal)).await {
        Ok(exit) => exit,
        Err(error) => {
            terminal.error(&error);
            error.exit()
        }
    };
    ExitCode::from(exit.code())
}
