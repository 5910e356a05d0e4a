//! Options of a request about a run, and of waiting for the run.

use std::time::Duration;

use super::RunRequest;
use crate::client::Client;
use crate::transport::{Backoff, PollErrorPolicy, RequestOptions, RetryPolicy};

/// Default total time of a wait: 15 minutes. Runs expire after 10 minutes.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Default idle timeout of a stream: 2 minutes. Servers are expected to send a comment about every
/// 15 s.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Default maximum length of an event: 16 MiB.
pub const DEFAULT_MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// Default timeout of one poll request.
const POLL_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Options of a request and of waiting for its run.
#[derive(Clone, Debug)]
pub(crate) struct RunOptions {
    /// Options of the request itself. The others about the run have those of
    /// [`for_related_requests`](RequestOptions::for_related_requests).
    pub(crate) request: RequestOptions,
    pub(crate) deadline: Duration,
    pub(crate) cancel_on_deadline: bool,
    pub(crate) cancel_on_drop: bool,
    pub(crate) interval: Option<Duration>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) error_policy: Option<PollErrorPolicy>,
    pub(crate) with_steps: bool,
    pub(crate) reconnect: bool,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_event_bytes: usize,
    pub(crate) recovery_deadline: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            request: RequestOptions::default(),
            deadline: DEFAULT_DEADLINE,
            cancel_on_deadline: false,
            cancel_on_drop: false,
            interval: None,
            backoff: None,
            error_policy: None,
            with_steps: false,
            reconnect: true,
            idle_timeout: Some(DEFAULT_IDLE_TIMEOUT),
            max_event_bytes: DEFAULT_MAX_EVENT_BYTES,
            recovery_deadline: DEFAULT_DEADLINE,
        }
    }
}

impl RunOptions {
    /// Returns the options of the other requests about the run.
    pub(crate) fn related(&self) -> RequestOptions {
        self.request.for_related_requests()
    }

    pub(crate) fn backoff(&self, client: &Client) -> Option<Backoff> {
        self.backoff.or(client.settings().poll_backoff)
    }

    pub(crate) fn error_policy(&self, client: &Client) -> PollErrorPolicy {
        self.error_policy.unwrap_or(client.settings().poll_error_policy)
    }

    /// Returns the options of a poll request. Without retries: the next poll is the retry.
    pub(crate) fn poll_request_options(&self, client: &Client) -> RequestOptions {
        let options = self.related();
        let timeout =
            options.timeout.unwrap_or(client.settings().timeout.min(POLL_REQUEST_TIMEOUT));
        RequestOptions { timeout: Some(timeout), retry: Some(RetryPolicy::none()), ..options }
    }
}

/// Options of each request about the run.
impl<R, M> RunRequest<R, M> {
    /// Adds a header to each request about the run. Overrides a header of the client. An
    /// `Idempotency-Key` is sent with the first request only.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.request.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a query parameter to each request about the run.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.request.query.push((name.into(), value.into()));
        self
    }

    /// Sets the timeout of one attempt of each request about the run, from connecting to the end of the
    /// response, or to its start if it is a stream. Default: the client's, and for polls at most 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request.timeout = Some(timeout);
        self
    }

    /// Sets when the request itself is retried. Default: the client's policy. Polls are not retried: see
    /// [`error_policy`](Self::error_policy).
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.options.request.retry = Some(policy);
        self
    }
}

/// Options of waiting for the run, by polling or as a stream.
impl<R, M> RunRequest<R, M> {
    /// Sets the total time: of the request, of waiting until the run settles, and of its function calls.
    /// Default: [`DEFAULT_DEADLINE`].
    ///
    /// The error ([`Error::is_deadline`](crate::Error::is_deadline)) carries the last known state of the
    /// run. A final poll can delay it by up to one second, and
    /// [`cancel_on_deadline`](Self::cancel_on_deadline) by another five. If no response has arrived
    /// until then, the error has no run.
    ///
    /// A stream also observes it while events are ready, unless the run has settled. Up to 31 events can be
    /// read after it before a slow caller is detected.
    ///
    /// For a [`RunStream`](crate::RunStream) the time starts again when
    /// [`submit_tool_outputs`](crate::RunStream::submit_tool_outputs) continues it.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = deadline;
        self
    }

    /// Sets whether the run is cancelled at the deadline. Default: false.
    ///
    /// The error carries the run as the server returned it. If the run had ended already, it is
    /// returned instead of an error, and a stream yields the events up to its end. If the response that
    /// creates the run is still awaited, the run is cancelled when it arrives. A run that exists, such as
    /// one to which outputs are submitted, is cancelled at once.
    pub fn cancel_on_deadline(mut self, cancel: bool) -> Self {
        self.options.cancel_on_deadline = cancel;
        self
    }

    /// Sets whether the run is cancelled if the wait or the stream is dropped before the run settles.
    /// Default: false. Requires a tokio runtime at that moment.
    ///
    /// If the response that creates the run is still awaited, the run is cancelled when it arrives. A run
    /// that exists is cancelled at once.
    /// Nothing is cancelled before the request is sent or after an error was returned.
    pub fn cancel_on_drop(mut self, cancel: bool) -> Self {
        self.options.cancel_on_drop = cancel;
        self
    }

    /// Sets a fixed delay between polls, overriding the server's. At least 1 ms. Applies to polling.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.options.interval = Some(interval);
        self
    }

    /// Sets the delays between polls if the server does not specify one by `openai-poll-after-ms` or
    /// `Retry-After`. Default: the client's. Applies to polling, and to streams that recover from a lost
    /// connection.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = Some(backoff);
        self
    }

    /// Sets which polling errors are tolerated. Default: the client's policy. Applies to polling, and to
    /// streams that recover from a lost connection.
    pub fn error_policy(mut self, policy: PollErrorPolicy) -> Self {
        self.options.error_policy = Some(policy);
        self
    }

    /// Sets whether changes include new steps, which costs one more request per poll. Default: false.
    /// Applies to [`watch`](Self::watch): waiting for the run alone fetches no steps.
    pub fn with_steps(mut self, with_steps: bool) -> Self {
        self.options.with_steps = with_steps;
        self
    }
}

/// Options of streams.
impl<R, M> RunRequest<R, M> {
    /// Sets whether the stream recovers from a lost connection by resuming its events or fetching
    /// the run. Default: true. Without recovery, a lost connection is an error, and the run remains
    /// active. Applies to streams.
    ///
    /// If the connection is lost before the first run event, the run is identified by the headers of
    /// the response or in the list of the thread's runs. A lost connection is an error nevertheless if
    /// the run cannot be identified, or if the request creates the thread as well and neither the
    /// headers nor an event name it; see [`docs::streaming`](crate::docs::streaming).
    ///
    /// Also sets whether the content of malformed events is fetched at the end; see
    /// [`RunStream::messages`](crate::RunStream::messages).
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.options.reconnect = reconnect;
        self
    }

    /// Sets how long the stream tries to recover from a lost connection, within the
    /// [`deadline`](Self::deadline). Default: 15 minutes. Applies to streams.
    pub fn recovery_deadline(mut self, deadline: Duration) -> Self {
        self.options.recovery_deadline = deadline;
        self
    }

    /// Sets how long the connection can be idle, without events or comments, before it counts as
    /// lost. `None` disables the timeout. Default: [`DEFAULT_IDLE_TIMEOUT`]. The request timeout applies
    /// until the response starts. Applies to streams.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.idle_timeout = timeout.into();
        self
    }

    /// Sets the maximum length of an event in bytes. A longer event is an error, and the stream
    /// continues after it. Default: [`DEFAULT_MAX_EVENT_BYTES`]. Applies to streams.
    pub fn max_event_bytes(mut self, limit: usize) -> Self {
        self.options.max_event_bytes = limit;
        self
    }
}
