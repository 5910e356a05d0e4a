//! The server as a program.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use runstep_server::Server;

/// A server of the Run and Run Step API, with objects in memory and a model that needs no network.
///
/// Ctrl-C ends it once the replies are out, within ten seconds; a second one at once.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; only this machine can reach the default
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "RUNSTEP_SERVER_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    listen: SocketAddr,
}

/// The exit code of a program that a signal ended, as shells have it for Ctrl-C.
const INTERRUPTED: i32 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match serve(arguments.listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let mut signals = Signals::new()?;
    let server = Server::builder().spawn_on(address).await?;
    println!("runstep-server listens on {}", server.base_url());
    signals.next().await?;
    tokio::select! {
        done = server.shutdown() => Ok(done?),
        again = signals.next() => {
            again?;
            std::process::exit(INTERRUPTED);
        }
    }
}

/// Ctrl-C, or what service managers send.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> std::io::Result<()> {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        Ok(())
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> std::io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}
