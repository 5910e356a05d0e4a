//! A server that runs, and how it is told to stop.

use std::io;
use std::net::SocketAddr;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The two steps in which a server stops.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    /// Nothing new is let in; what is under way may finish.
    pub(crate) draining: CancellationToken,
    /// Runs stop, and streams end.
    pub(crate) closing: CancellationToken,
}

/// A server that runs; it stops when this is dropped.
#[derive(Debug)]
#[must_use = "the server stops when its handle is dropped"]
pub struct RunningServer {
    address: SocketAddr,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

impl RunningServer {
    pub(super) fn new(address: SocketAddr, shutdown: Shutdown, serving: JoinHandle<()>) -> Self {
        Self { address, shutdown, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for a client, such as `http://127.0.0.1:8080/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Takes no more connections, and waits until all replies are out and all streams are done, or
    /// for [`shutdown_timeout`](crate::ServerBuilder::shutdown_timeout); then the runs are stopped.
    /// A stream that is cut by this ends in an `error` event.
    ///
    /// # Errors
    ///
    /// When the server had panicked.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.shutdown.draining.cancel();
        (&mut self.serving).await.map_err(io::Error::other)
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.shutdown.draining.cancel();
        self.shutdown.closing.cancel();
        self.serving.abort();
    }
}
