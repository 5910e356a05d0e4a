//! The handle of a running server.

use std::io;
use std::net::SocketAddr;

use tokio::task::JoinHandle;

use crate::shutdown::Shutdown;

/// A running server. It stops when this handle is dropped.
#[derive(Debug)]
#[must_use = "the server stops when its handle is dropped"]
pub struct RunningServer {
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl RunningServer {
    pub(super) fn new(address: SocketAddr, shutdown: Shutdown, task: JoinHandle<()>) -> Self {
        Self { address, shutdown, task }
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL for clients, such as `http://127.0.0.1:8080/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Shuts the server down gracefully: it accepts no more connections, and waits until all
    /// responses and streams are complete, at most for
    /// [`shutdown_timeout`](crate::ServerBuilder::shutdown_timeout). Then it stops all runs and
    /// ends the remaining streams with an `error` event.
    ///
    /// # Errors
    ///
    /// Returns an error if the server panicked.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.shutdown.draining.cancel();
        (&mut self.task).await.map_err(io::Error::other)
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.shutdown.draining.cancel();
        self.shutdown.closing.cancel();
        self.task.abort();
    }
}
