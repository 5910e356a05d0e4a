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

    /// Shuts the server down gracefully. Requests that create runs get a 503 with `Retry-After`. All
    /// others are handled until no run is queued or in progress, and shortly after, so that clients
    /// that poll can fetch the last run. Then the server accepts no more connections, and waits
    /// until all responses and streams are complete. After
    /// [`shutdown_timeout`](crate::ServerBuilder::shutdown_timeout) it stops all runs and ends the
    /// remaining streams with an `error` event.
    ///
    /// Runs that require action do not delay the shutdown. Their outputs can be submitted while the
    /// server waits for others.
    ///
    /// # Errors
    ///
    /// Returns an error if the server panicked.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.shutdown.drain.cancel();
        (&mut self.task).await.map_err(io::Error::other)
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.shutdown.drain.cancel();
        self.shutdown.stop_accepting.cancel();
        self.shutdown.stop_runs.cancel();
        self.task.abort();
    }
}
