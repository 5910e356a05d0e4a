//! The server: built, then embedded in a test or served by the binary.

mod error;
mod limits;
mod running;
mod serve;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::clock::{Clock, ManualClock};
use crate::engine::{Engines, Options};
use crate::faults::Faults;
use crate::http::{self, Access, App, Origins};
use crate::metrics::Metrics;
use crate::model::{Model, Offline};
use crate::schema::Schemas;

pub use error::StartError;
pub(crate) use limits::Limits;
pub use running::RunningServer;
pub(crate) use running::Shutdown;
use serve::Serving;

/// How long a run lives unless told, as with the original API.
const RUN_LIFETIME: Duration = Duration::from_secs(600);
/// How soon clients are told to ask again unless told.
const POLL_AFTER: Duration = Duration::from_millis(100);
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
    /// Begins a server. Unless told otherwise it answers with [`Offline`] and asks for no key.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            model: Arc::new(Offline::new()),
            keys: Vec::new(),
            origins: Vec::new(),
            clock: None,
            faults: Faults::default(),
            limits: Limits::default(),
            run_lifetime: RUN_LIFETIME,
            poll_after: POLL_AFTER,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
        }
    }
}

/// What a server is built from.
#[must_use = "a builder does nothing until `spawn`, `spawn_on` or `app` is called"]
pub struct ServerBuilder {
    model: Arc<dyn Model>,
    keys: Vec<SecretString>,
    origins: Vec<String>,
    clock: Option<ManualClock>,
    faults: Faults,
    limits: Limits,
    run_lifetime: Duration,
    poll_after: Duration,
    shutdown_timeout: Duration,
}

impl ServerBuilder {
    /// What answers. Default: [`Offline`].
    pub fn model(mut self, model: impl Model) -> Self {
        self.model = Arc::new(model);
        self
    }

    /// The keys that are let in, as `Authorization: Bearer KEY` or `api-key: KEY`; whoever has none
    /// of them gets a 401. Each key has objects of its own, which no other key can see. Default:
    /// none, and then all who ask are let in and share their objects, except web pages: those only
    /// of [`allowed_origins`](Self::allowed_origins), and on a loopback address only requests whose
    /// `Host` is `localhost` or such an address; others get a 403.
    pub fn api_keys<K: Into<SecretString>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// The web origins whose pages may ask this server (CORS), such as `https://example.com`; `*` is
    /// any. Default: none.
    pub fn allowed_origins<O: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Self {
        self.origins = origins.into_iter().map(Into::into).collect();
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
        self.limits.body_bytes = limit;
        self
    }

    /// How many runs are in progress at a time; others wait for their turn as `queued`. A run that
    /// waits for tool outputs is not in progress. At least 1. Default: 1024.
    pub fn max_concurrent_runs(mut self, limit: usize) -> Self {
        self.limits.concurrent_runs = limit;
        self
    }

    /// How many runs may wait for their turn. One more, or tool outputs that would queue a run
    /// again, is refused with status 429 and `Retry-After`. Default: 4096.
    pub fn max_queued_runs(mut self, limit: usize) -> Self {
        self.limits.queued_runs = limit;
        self
    }

    /// How many streams of events are open at a time; one more is refused with status 429 and
    /// `Retry-After`. Default: 4096.
    pub fn max_open_streams(mut self, limit: usize) -> Self {
        self.limits.open_streams = limit;
        self
    }

    /// How many tokens of the newest messages a model is given when a run leaves the truncation to
    /// the server (`auto`), four characters to a token. A run's `max_prompt_tokens` may make it
    /// less. Default: 128,000.
    pub fn max_context_tokens(mut self, limit: u64) -> Self {
        self.limits.context_tokens = limit;
        self
    }

    /// How many bytes all objects may take, about as long as they are as JSON. When they take more,
    /// creating one is refused with status 429 until some are deleted. Default: 1 GiB.
    pub fn max_stored_bytes(mut self, limit: usize) -> Self {
        self.limits.stored_bytes = limit;
        self
    }

    /// How many connections are open at a time; others wait to be accepted. At least 1;
    /// [`app`](Self::app) has none. Default: 8192.
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.limits.connections = limit;
        self
    }

    /// How long the head of a request may take, and then its body and the beginning of its reply; a
    /// longer one is refused with status 408. Streams may last, but a client that takes nothing of a
    /// reply for as long is cut off. Default: 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.limits.request_time = timeout;
        self
    }

    /// How long a server that stops lets streams and requests finish; then it stops their runs and
    /// drops their connections. Default: 10 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// A clock that a test advances. Default: the system's.
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Faults that a test has the server make. Default: none.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// The routes alone, to be called without a socket or served in another way. They must be
    /// called within a tokio runtime. Where they are served is not known, so that any `Host` will do.
    ///
    /// # Errors
    ///
    /// [`StartError::ApiKey`] and [`StartError::Origin`] when one cannot be right, and
    /// [`StartError::Specification`] when the built-in specification cannot be read: a defect.
    pub fn app(self) -> Result<Router, StartError> {
        self.router(Shutdown::default(), false)
    }

    fn router(self, shutdown: Shutdown, is_local: bool) -> Result<Router, StartError> {
        let schemas =
            Schemas::embedded().map_err(|error| StartError::Specification(error.to_string()))?;
        let metrics = Arc::new(Metrics::new());
        let options = Options {
            model: self.model,
            clock: self.clock.map_or_else(Clock::system, Clock::Manual),
            limits: self.limits.clone(),
            run_lifetime: self.run_lifetime,
            closing: shutdown.closing.clone(),
            metrics: Arc::clone(&metrics),
        };
        let access = Access::new(&self.keys, &Engines::new(options))?;
        let origins = Origins::new(&self.origins)?;
        let app = App::new(access, schemas, self.limits, self.poll_after, shutdown, metrics);
        Ok(http::router(app, origins, is_local, self.faults))
    }

    /// Serves on a free port of this machine, until the handle is dropped.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] when no port can be bound, and those of [`app`](Self::app).
    pub async fn spawn(self) -> Result<RunningServer, StartError> {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        self.spawn_on(local).await
    }

    /// Serves on an address, until the handle is dropped. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] when the address cannot be bound, and those of [`app`](Self::app).
    pub async fn spawn_on(self, address: SocketAddr) -> Result<RunningServer, StartError> {
        let (limits, grace) = (self.limits.clone(), self.shutdown_timeout);
        let shutdown = Shutdown::default();
        let app = self.router(shutdown.clone(), address.ip().is_loopback())?;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let serving = Serving::new(listener, app, &limits, shutdown.clone(), grace);
        Ok(RunningServer::new(address, shutdown, tokio::spawn(serving.run())))
    }
}
