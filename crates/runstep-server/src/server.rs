//! The server: built, then embedded in a test or served by the binary.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::connections::Connections;
use crate::engine::Engine;
use crate::http::{self, App};
use crate::model::{Model, Offline};
use crate::schema::Schemas;

/// How long a run lives unless told, as with the original API.
const RUN_LIFETIME: Duration = Duration::from_secs(600);
/// How soon clients are told to ask again unless told.
const POLL_AFTER: Duration = Duration::from_millis(100);
/// How long a request body may be unless told.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// How long a shutdown waits for clients unless told.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// A server of the Run and Run Step API that keeps its objects in memory.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), runstep_server::StartError> {
/// let server = runstep_server::Server::builder().spawn().await?;
/// println!("base URL for a client: {}", server.base_url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Begins a server. Unless told otherwise it answers with [`Offline`].
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            model: Arc::new(Offline::new()),
            run_lifetime: RUN_LIFETIME,
            poll_after: POLL_AFTER,
            max_body_bytes: MAX_BODY_BYTES,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
        }
    }
}

/// What a server is built from.
#[must_use = "a builder does nothing until `spawn`, `serve` or `app` is called"]
pub struct ServerBuilder {
    model: Arc<dyn Model>,
    run_lifetime: Duration,
    poll_after: Duration,
    max_body_bytes: usize,
    shutdown_timeout: Duration,
}

impl ServerBuilder {
    /// What answers. Default: [`Offline`].
    pub fn model(mut self, model: impl Model) -> Self {
        self.model = Arc::new(model);
        self
    }

    /// How long after its creation a run expires, in whole seconds; at most a hundred years, lest
    /// the time be no date. Default: 600 s.
    pub fn run_lifetime(mut self, lifetime: Duration) -> Self {
        self.run_lifetime = lifetime;
        self
    }

    /// When clients are told to ask for a run again, by `openai-poll-after-ms`. Default: 100 ms.
    pub fn poll_after(mut self, pause: Duration) -> Self {
        self.poll_after = pause;
        self
    }

    /// How long a request's body may be; a longer one is refused with status 413. Default: 8 MiB.
    pub fn max_body_bytes(mut self, limit: usize) -> Self {
        self.max_body_bytes = limit;
        self
    }

    /// How long a server that stops waits until requests have come and replies are out; then it
    /// drops their connections. Default: 10 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// The routes alone, to be called without a socket or served in another way. They must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError::Specification`] when the built-in specification cannot be read: a defect.
    pub fn app(self) -> Result<Router, StartError> {
        self.parts().map(|(app, _)| app)
    }

    fn parts(self) -> Result<(Router, CancellationToken), StartError> {
        let closing = CancellationToken::new();
        let schemas = Schemas::new(runstep_api::OPENAPI)
            .map_err(|error| StartError::Specification(error.to_string()))?;
        let engine = Arc::new(Engine::new(self.model, self.run_lifetime, closing.clone()));
        let app = App {
            engine,
            schemas,
            poll_after: self.poll_after,
            max_body_bytes: self.max_body_bytes,
        };
        Ok((http::router(app), closing))
    }

    /// Serves on a free port of this machine, until the handle is dropped.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] when no port can be bound.
    pub async fn spawn(self) -> Result<RunningServer, StartError> {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        self.spawn_on(local).await
    }

    /// Serves on an address, until the handle is dropped. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] when the address cannot be bound.
    pub async fn spawn_on(self, address: SocketAddr) -> Result<RunningServer, StartError> {
        let shutdown_timeout = self.shutdown_timeout;
        let (app, closing) = self.parts()?;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let connections = Connections::new(listener, closing.clone(), shutdown_timeout);
        let stopped = closing.clone();
        let serving = tokio::spawn(async move {
            axum::serve(connections, app).with_graceful_shutdown(stopped.cancelled_owned()).await
        });
        Ok(RunningServer { address, closing, serving })
    }
}

/// A server that runs; it stops when this is dropped.
#[derive(Debug)]
#[must_use = "the server stops when its handle is dropped"]
pub struct RunningServer {
    address: SocketAddr,
    closing: CancellationToken,
    serving: JoinHandle<io::Result<()>>,
}

impl RunningServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for a client, such as `http://127.0.0.1:8080/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Takes no more connections, stops the runs, and waits until all replies are out, or for
    /// [`shutdown_timeout`](ServerBuilder::shutdown_timeout). A stream that is cut by this ends in
    /// an `error` event.
    ///
    /// # Errors
    ///
    /// When serving had failed.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.closing.cancel();
        (&mut self.serving).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.closing.cancel();
        self.serving.abort();
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The specification that the server was built with cannot be read.
    #[error("the built-in specification cannot be read: {0}; this is a defect of the server")]
    Specification(String),
}
