//! Requests whose run is told as it goes.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use runstep_api::ByteStream;
use runstep_api::types::RunInclude;
use tokio::time::Instant;

use super::decoder::DEFAULT_MAX_EVENT_BYTES;
use super::identity::Origin;
use super::remote::{Server, opened};
use super::run_stream::RunStream;
use crate::Client;
use crate::backoff::Backoff;
use crate::error::Result;
use crate::options::{RequestOptions, TakesOptions};
use crate::poll::{DEFAULT_DEADLINE, PollErrorPolicy, RunRef};
use crate::request::ResponseFuture;
use crate::response::Response;

/// How long a stream may be silent unless told: 2 minutes. Servers are expected to send a comment
/// every 15 s or so.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// How a stream is told to behave.
#[derive(Clone, Debug)]
pub(super) struct StreamSettings {
    /// What steps are to have besides the usual, also when they are looked up.
    pub(super) include: Vec<RunInclude>,
    pub(super) recover: bool,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_event_bytes: usize,
    pub(super) recovery_deadline: Duration,
    pub(super) cancel_on_drop: bool,
    pub(super) backoff: Option<Backoff>,
    pub(super) errors: PollErrorPolicy,
}

/// The run of a request that opens a stream.
pub(crate) enum WhichRun {
    /// One that it makes, along with a thread where it names none.
    New { thread_id: Option<String>, assistant_id: String },
    /// One that goes on, since these calls are answered.
    Later { run: RunRef, answered: Vec<String> },
}

/// A request that opens a stream of events.
pub(crate) trait StartStream: TakesOptions + Send + 'static {
    fn client(&self) -> &Client;

    fn which_run(&self) -> WhichRun;

    /// What the steps of its events are to have besides the usual.
    fn included(&self) -> &[RunInclude] {
        &[]
    }

    fn open(self) -> ResponseFuture<Response<ByteStream>>;
}

/// A request whose run is told as it goes; see [`CreateRun::stream`](crate::CreateRun::stream).
///
/// Awaited, it sends the request, and gives the stream once the server has begun to reply. The
/// headers, the query and the timeout of the request go with all else that the stream asks too: for
/// the rest after a cut, with outputs, and to cancel.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct OpenStream<R> {
    request: R,
    recover: bool,
    idle_timeout: Option<Duration>,
    max_event_bytes: usize,
    recovery_deadline: Duration,
    cancel_on_drop: bool,
}

impl<R> OpenStream<R> {
    pub(crate) fn new(request: R) -> Self {
        Self {
            request,
            recover: true,
            idle_timeout: Some(DEFAULT_IDLE_TIMEOUT),
            max_event_bytes: DEFAULT_MAX_EVENT_BYTES,
            recovery_deadline: DEFAULT_DEADLINE,
            cancel_on_drop: false,
        }
    }

    /// Whether a stream that is cut asks the server for the rest, or for the run. Default: yes.
    /// Otherwise a cut is an error, and the run goes on unseen.
    ///
    /// It does so wherever it is cut. If that is before its run was told, and the head of the reply
    /// does not name the run, it looks for it in the thread. A cut is still an error where the run
    /// cannot be told from others there, and where the request makes the thread too, which has
    /// neither been told nor named; see [`docs::streaming`](crate::docs::streaming).
    ///
    /// It also says whether what was in events that could not be taken is looked up at the end; see
    /// [`RunStream::messages`].
    pub fn recover(mut self, recover: bool) -> Self {
        self.recover = recover;
        self
    }

    /// How long to look for the end of the run after a cut. Default: 15 minutes
    /// ([`DEFAULT_DEADLINE`]).
    pub fn recovery_deadline(mut self, deadline: Duration) -> Self {
        self.recovery_deadline = deadline;
        self
    }

    /// How long nothing may come, not even a comment, before the stream is taken for cut. Default:
    /// [`DEFAULT_IDLE_TIMEOUT`]; `None` waits for ever. The time of a whole request
    /// ([`ClientBuilder::timeout`](crate::ClientBuilder::timeout)) is that to the first byte here.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// How long an event may be, in bytes. A longer one is an error, and the stream goes on.
    /// Default: [`DEFAULT_MAX_EVENT_BYTES`].
    pub fn max_event_bytes(mut self, limit: usize) -> Self {
        self.max_event_bytes = limit;
        self
    }

    /// Whether the server is asked to cancel the run when the stream is dropped before the run has
    /// ended or requires action. Default: no. Needs a tokio runtime at that moment, and that the
    /// run is known: from the head of the reply if the server names it there, else from the first
    /// event.
    pub fn cancel_on_drop(mut self, cancel: bool) -> Self {
        self.cancel_on_drop = cancel;
        self
    }
}

impl<R> OpenStream<R> {
    pub(crate) fn cancels_on_drop(&self) -> bool {
        self.cancel_on_drop
    }

    pub(crate) fn map_request(self, change: impl FnOnce(R) -> R) -> Self {
        Self { request: change(self.request), ..self }
    }

    pub(crate) fn request_mut(&mut self) -> &mut R {
        &mut self.request
    }
}

#[allow(private_bounds, reason = "which requests stream is not for others to say")]
impl<R: StartStream> OpenStream<R> {
    pub(crate) fn client(&self) -> &Client {
        self.request.client()
    }

    pub(crate) fn options(&mut self) -> &mut RequestOptions {
        self.request.options()
    }

    async fn open(mut self) -> Result<RunStream> {
        let client = self.request.client().clone();
        let settings = StreamSettings {
            include: self.request.included().to_vec(),
            recover: self.recover,
            idle_timeout: self.idle_timeout,
            max_event_bytes: self.max_event_bytes,
            recovery_deadline: self.recovery_deadline,
            cancel_on_drop: self.cancel_on_drop,
            backoff: client.settings().poll_backoff,
            errors: client.settings().poll_error_policy,
        };
        let remote = Arc::new(Server::new(client, self.request.options()));
        let which_run = self.request.which_run();
        let sent = Instant::now();
        let reply = self.request.open().await?;
        let head_after = sent.elapsed();
        Ok(match which_run {
            WhichRun::New { thread_id, assistant_id } => {
                let origin = Origin::new(thread_id, assistant_id, reply.header_map(), head_after);
                RunStream::new(remote, settings, opened(reply).await?, origin)
            }
            WhichRun::Later { run, answered } => {
                RunStream::of_later_leg(remote, settings, opened(reply).await?, run, answered)
            }
        })
    }
}

#[allow(private_bounds, reason = "which requests stream is not for others to say")]
impl<R: StartStream> IntoFuture for OpenStream<R> {
    type Output = Result<RunStream>;
    type IntoFuture = ResponseFuture<RunStream>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
