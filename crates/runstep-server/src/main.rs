//! The `runstep-server` binary.

mod program;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match program::run(program::Arguments::read()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}
