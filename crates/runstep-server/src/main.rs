//! The server as a program.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use runstep_server::Server;

/// A server of the Run and Run Step API, with objects in memory and a model that needs no network.
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
    let server = Server::builder().spawn_on(address).await?;
    println!("runstep-server listens on {}", server.base_url());
    stop_signal().await?;
    server.shutdown().await?;
    Ok(())
}

/// Ctrl-C, or what service managers send.
#[cfg(unix)]
async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stop_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
