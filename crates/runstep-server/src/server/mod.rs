//! The server and its builder.

mod connection;
mod connections;
mod info;
mod running;
mod socket;
mod start;
mod unread_body;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::clock::ManualClock;
use crate::engine::AdoptedIds;
use crate::http::Faults;
use crate::limits::{History, Limits};
use crate::model::{Model, Offline};
use crate::store::Durability;
#[cfg(feature = "postgres")]
use crate::store::PostgresAddress;
pub use running::RunningServer;

/// As with the original API.
const RUN_LIFETIME: Duration = Duration::from_secs(600);
const POLL_AFTER: Duration = Duration::from_millis(100);
/// How long the events of a run are retained after its end.
const RETAIN_EVENTS: Duration = Duration::from_secs(24 * 60 * 60);
const LEASE: Duration = Duration::from_secs(30);
const MAX_DATABASE_CONNECTIONS: usize = 16;
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// A server of the Run and Run Step API.
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
    /// Creates a builder. By default the server uses the [`Offline`] model and requires no key.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            model: Arc::new(Offline::new()),
            keys: Vec::new(),
            origins: Vec::new(),
            clock: None,
            faults: None,
            ui: false,
            limits: Limits::default(),
            run_lifetime: RUN_LIFETIME,
            poll_after: POLL_AFTER,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            data: Data::Memory,
            lease: LEASE,
            max_database_connections: MAX_DATABASE_CONNECTIONS,
            durability: Durability::Full,
            retain_events: RETAIN_EVENTS,
            retain_runs: None,
            max_data_bytes: u64::MAX,
            history: History::default(),
            adopted: AdoptedIds::new(),
            strict_beta_header: false,
        }
    }
}

/// Where a server keeps its objects.
enum Data {
    Memory,
    File(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresAddress>),
}

/// A builder of servers.
#[must_use = "a builder does nothing until `spawn`, `spawn_on` or `app` is called"]
pub struct ServerBuilder {
    model: Arc<dyn Model>,
    keys: Vec<SecretString>,
    origins: Vec<String>,
    clock: Option<ManualClock>,
    faults: Option<Faults>,
    ui: bool,
    limits: Limits,
    run_lifetime: Duration,
    poll_after: Duration,
    shutdown_timeout: Duration,
    data: Data,
    lease: Duration,
    max_database_connections: usize,
    durability: Durability,
    retain_events: Duration,
    retain_runs: Option<Duration>,
    max_data_bytes: u64,
    history: History,
    adopted: AdoptedIds,
    strict_beta_header: bool,
}

impl ServerBuilder {
    /// Sets the model. Default: [`Offline`].
    pub fn model(mut self, model: impl Model) -> Self {
        self.model = Arc::new(model);
        self
    }

    /// Keeps all objects in a file, which is created if it does not exist, so that they survive a
    /// restart or a crash: changes are in the file before their response is sent.
    /// Runs that were active continue. Only one server at a time can use a file.
    ///
    /// Default: none. Objects are then in memory, and end with the server.
    pub fn data_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.data = Data::File(path.into());
        self
    }

    /// Keeps all objects in a Postgres database. Several servers, the nodes, can share it: each takes
    /// any request, and continues the runs of those that have stopped. The server creates and
    /// upgrades the tables. Replaces [`data_file`](Self::data_file).
    ///
    /// The model, the keys and the limits are those of each node, and should be equal. The clocks of
    /// the nodes must not differ by more than a second or two.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub fn database(mut self, address: PostgresAddress) -> Self {
        self.data = Data::Postgres(Box::new(address));
        self
    }

    /// Limits the number of connections to the [`database`](Self::database), at least 1, in addition
    /// to two for notifications. Default: 16.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub fn max_database_connections(mut self, limit: usize) -> Self {
        self.max_database_connections = limit;
        self
    }

    /// Sets how long after a node has stopped the other nodes of its [`database`](Self::database)
    /// continue its runs, in whole seconds and at least 1. A node that is paused for longer than this
    /// loses its runs to the others. Default: 30 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets when a change is on the disk. Only applies to a [`data_file`](Self::data_file).
    /// Default: [`Durability::Full`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Limits the size of the [`data_file`](Self::data_file). Beyond it, requests that create or
    /// extend objects get a 429 until some objects are deleted, and the output of models fails
    /// their runs; reads and deletions go on. Default: unlimited.
    pub fn max_data_bytes(mut self, limit: u64) -> Self {
        self.max_data_bytes = limit;
        self
    }

    /// Sets how long the events of a run can be read again after its end, in whole seconds. In
    /// memory, the events of all ended runs are also limited to 16 MiB. Default: 24 h.
    pub fn retain_events(mut self, duration: Duration) -> Self {
        self.retain_events = duration;
        self
    }

    /// Sets how long runs are kept after their end, in whole seconds. They are deleted with their
    /// steps; messages stay on their threads. Default: for ever.
    pub fn retain_runs(mut self, duration: Duration) -> Self {
        self.retain_runs = Some(duration);
        self
    }

    /// Sets the accepted API keys. Clients send one as `Authorization: Bearer KEY` or `api-key:
    /// KEY`; requests without an accepted key get a 401. Each key has its own objects, which are
    /// invisible to other keys.
    ///
    /// Default: none. All clients then share their objects, and the server protects itself against
    /// web pages: requests from an origin that is not in [`allowed_origins`](Self::allowed_origins)
    /// get a 403, and so do, on a loopback address, requests whose `Host` is not `localhost` or a
    /// loopback address.
    pub fn api_keys<K: Into<SecretString>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the web origins whose pages can call this server (CORS), such as `https://example.com`;
    /// `*` allows all. Default: none.
    pub fn allowed_origins<O: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Self {
        self.origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long after its creation a run expires, in whole seconds and at most a hundred
    /// years. Default: 600 s.
    pub fn run_lifetime(mut self, lifetime: Duration) -> Self {
        self.run_lifetime = lifetime;
        self
    }

    /// Sets the polling interval that responses suggest to clients in `openai-poll-after-ms`.
    /// Default: 100 ms.
    pub fn poll_after(mut self, interval: Duration) -> Self {
        self.poll_after = interval;
        self
    }

    /// Limits the length of a request body; a longer one gets a 413. Default: 8 MiB.
    pub fn max_body_bytes(mut self, limit: usize) -> Self {
        self.limits.max_body_bytes = limit;
        self
    }

    /// Limits the length in total of the request bodies above 64 KiB that are being read or parsed,
    /// to at least the length of one body. Others wait up to 5 s, and then get a 503 with
    /// `Retry-After`. Default: 64 MiB.
    pub fn max_buffered_body_bytes(mut self, limit: usize) -> Self {
        self.limits.max_buffered_body_bytes = limit;
        self
    }

    /// Limits the number of runs in progress, at least 1; others wait as `queued`, and the keys take
    /// turns. A run that waits
    /// for tool outputs is not in progress. Default: 1024.
    pub fn max_concurrent_runs(mut self, limit: usize) -> Self {
        self.limits.max_concurrent_runs = limit;
        self
    }

    /// Limits the number of runs in progress on all nodes of a [`database`](Self::database) together:
    /// each node takes an equal share, at least 1, and not more than
    /// [`max_concurrent_runs`](Self::max_concurrent_runs). Default: unlimited.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub fn max_concurrent_runs_of_all_nodes(mut self, limit: usize) -> Self {
        self.limits.max_concurrent_runs_of_all_nodes = limit;
        self
    }

    /// Limits the number of queued runs. If the queue is full, requests that create a run or submit
    /// tool outputs get a 429 with `Retry-After`. Default: 4096.
    pub fn max_queued_runs(mut self, limit: usize) -> Self {
        self.limits.max_queued_runs = limit;
        self
    }

    /// Limits the number of open event streams; requests for more get a 429 with `Retry-After`.
    /// Default: 4096.
    pub fn max_open_streams(mut self, limit: usize) -> Self {
        self.limits.max_open_streams = limit;
        self
    }

    /// Sets what a model gets of the earlier runs of a thread. Default: [`History::Calls`].
    pub fn history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// Adopts files and vector stores that the model's provider has already, by their ids. All API
    /// keys can use them; other objects belong to the key that has created them through this server.
    /// Without API keys this is not needed. Default: none.
    pub fn adopt_upstream_ids<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.adopted.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Refuses requests for assistants, threads, messages, runs and steps without the header
    /// `OpenAI-Beta: assistants=v2` with a 400, as the original API did. For tests of clients.
    ///
    /// Default: false. The header is then ignored, so that clients of older versions work.
    pub fn strict_beta_header(mut self, is_strict: bool) -> Self {
        self.strict_beta_header = is_strict;
        self
    }

    /// Limits the prompt tokens of a run whose truncation strategy is `auto`, at an estimated four
    /// characters per token. A run's `max_prompt_tokens` can lower the limit. Default: 128,000.
    pub fn max_context_tokens(mut self, limit: u64) -> Self {
        self.limits.max_context_tokens = limit;
        self
    }

    /// Limits what is in memory: the output of active runs, their tools, texts above 64 KiB that are
    /// being read or written, and all objects if there is no [`data_file`](Self::data_file). Objects
    /// are in memory as JSON text. Beyond the limit, requests that create objects or need long texts
    /// get a 429. Default: 1 GiB.
    pub fn max_stored_bytes(mut self, limit: usize) -> Self {
        self.limits.max_stored_bytes = limit;
        self
    }

    /// Limits what is in memory for one API key, so that its clients cannot use up
    /// [`max_stored_bytes`](Self::max_stored_bytes) for the others. Only applies if there are
    /// [`api_keys`](Self::api_keys). Default: 512 MiB.
    pub fn max_stored_bytes_per_key(mut self, limit: usize) -> Self {
        self.limits.max_stored_bytes_per_key = limit;
        self
    }

    /// Limits the number of open connections, at least 1; others wait to be accepted. Does not
    /// apply to [`app`](Self::app). Default: 8192.
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.limits.max_connections = limit;
        self
    }

    /// Limits the time for the head of a request, and then for its body and the start of the
    /// response; a slower request gets a 408. Streams can last longer, but a client that reads no
    /// part of a response for this time is disconnected. Default: 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.limits.request_timeout = timeout;
        self
    }

    /// Sets the timeout of a shutdown, in which runs, requests and streams can complete. After it
    /// the server stops their runs and closes their connections. Default: 10 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Sets a clock that a test advances. Default: the system's clock.
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the faults to inject. Default: none.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Sets whether the server has the page `/ui`, which shows threads and runs in a browser. The page
    /// asks for an API key if there are any, and keeps it in its memory. Default: false.
    pub fn ui(mut self, ui: bool) -> Self {
        self.ui = ui;
        self
    }
}
