//! The error type of the crate.

mod body;
mod display;
#[cfg(feature = "test-util")]
mod test_util;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use runstep_api::types::{ErrorObject, Run};

use crate::headers;
use body::truncate;

const TIMED_OUT: &str = "the request timed out";
/// Maximum length of a body that an error stores, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// Maximum length of each text in errors that are collected in lists, in characters.
const MAX_COLLECTED: usize = 4 * 1024;

/// The result of a request. The error type can be overridden, as with [`std::result::Result`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a request, a wait or a stream.
///
/// # Troubleshooting
///
/// - [`is_not_found`](Self::is_not_found): the id is wrong, or belongs to another key or server.
/// - [`is_deadline`](Self::is_deadline): the run is still active. [`run`](Self::run) is its last
///   known state; poll it again to continue waiting.
/// - [`is_connect`](Self::is_connect): nothing was sent. Check the base URL.
/// - [`is_decode`](Self::is_decode): the response does not match the API; see [`body`](Self::body).
/// - For other errors, [`message`](Self::message) is the server's message, and
///   [`request_id`](Self::request_id) identifies the request to the server's operators.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    status: Option<StatusCode>,
    api: ApiError,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    should_retry: Option<bool>,
    body: Option<String>,
    active: Option<ActiveRun>,
    run: Option<Run>,
    source: Option<Source>,
}

/// The kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration of the client or of a toolbox is invalid.
    Configuration,
    /// The request is invalid and was not sent.
    InvalidRequest,
    /// The connection could not be established, or it failed.
    Connection,
    /// The request exceeded its timeout.
    Timeout,
    /// The token provider returned no token.
    Authentication,
    /// The server returned an error.
    Api,
    /// The response could not be decoded.
    Decode,
    /// A wait exceeded its deadline.
    Deadline,
    /// A tool call failed and the failure policy does not tolerate it, or the run exceeded the number
    /// of rounds.
    Tool,
    /// The run ended without the requested answer.
    NoAnswer,
    /// The run has not completed; see [`IntoCompleted::into_completed`](crate::IntoCompleted::into_completed).
    NotCompleted,
}

impl ErrorKind {
    /// Returns the kind as one word, as used in traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::InvalidRequest => "invalid_request",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Authentication => "authentication",
            Self::Api => "api",
            Self::Decode => "decode",
            Self::Deadline => "deadline",
            Self::Tool => "tool",
            Self::NoAnswer => "no_answer",
            Self::NotCompleted => "not_completed",
        }
    }
}

/// Displays [`ErrorKind::as_str`].
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The active run of a thread; see [`Error::active_run`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveRun {
    /// The id of the thread.
    pub thread_id: String,
    /// The id of its active run.
    pub run_id: String,
}

/// The fields of an API error. Missing fields are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) message: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Source {
    Http(reqwest::Error),
    Json(serde_json::Error),
    Token(TokenError),
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// The error of a token provider.
pub(crate) type TokenError = Arc<dyn std::error::Error + Send + Sync>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            status: None,
            api: ApiError::default(),
            request_id: None,
            retry_after: None,
            should_retry: None,
            body: None,
            active: None,
            run: None,
            source: None,
        }))
    }

    /// Creates the error for a busy thread that the client detected itself.
    pub(crate) fn active_run_on(active: ActiveRun) -> Self {
        let ActiveRun { thread_id, run_id } = &active;
        let message = format!("Thread {thread_id} already has an active run {run_id}.");
        let mut error = Self::new(ErrorKind::Api, message);
        error.0.active = Some(active);
        error
    }

    /// Creates the error for an error response. `truncated` says why the body is incomplete, if it is.
    pub(crate) fn api(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        truncated: Option<&str>,
    ) -> Self {
        let mut api = body::parse(body);
        let message = match api.message.take() {
            Some(message) => message,
            None => body::describe(headers, body, truncated),
        };
        let error = Self::new(ErrorKind::Api, message);
        let mut error = error.with_head(Some(status), headers).with_body(body);
        error.0.api = api;
        error
    }

    pub(crate) fn http(error: reqwest::Error) -> Self {
        let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Connection };
        let message = match kind {
            ErrorKind::Timeout => TIMED_OUT,
            _ if error.is_connect() => "could not connect to the server",
            _ => "the connection failed",
        };
        Self::new(kind, message).with_source(Source::Http(error.without_url()))
    }

    /// Creates the error for the body of a response that cannot be decoded.
    pub(crate) fn undecodable(error: serde_json::Error, body: &[u8]) -> Self {
        Self::new(ErrorKind::Decode, format!("the response cannot be decoded: {error}"))
            .with_source(Source::Json(error))
            .with_body(body)
    }

    pub(crate) fn timed_out() -> Self {
        Self::new(ErrorKind::Timeout, TIMED_OUT)
    }

    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        let body = body.get(..MAX_BODY).unwrap_or(body);
        self.0.body = Some(String::from_utf8_lossy(body).into_owned());
        self
    }

    /// Adds the status and the headers of a response.
    pub(crate) fn with_head(mut self, status: Option<StatusCode>, headers: &HeaderMap) -> Self {
        self.0.status = status;
        self.with_headers(headers)
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = StatusCode::from_u16(status).ok();
        self
    }

    pub(crate) fn with_headers(mut self, headers: &HeaderMap) -> Self {
        self.0.request_id = headers::request_id(headers).map(str::to_owned);
        self.0.retry_after = headers::retry_after(headers);
        self.0.should_retry = headers::should_retry(headers);
        self
    }

    /// Creates the error of a failed token provider. All requests that waited for the token share it.
    pub(crate) fn token(source: TokenError) -> Self {
        Self::new(ErrorKind::Authentication, "the token provider failed; nothing was sent")
            .with_source(Source::Token(source))
    }

    /// Creates the error of an `error` event.
    pub(crate) fn event(error: &ErrorObject) -> Self {
        let mut event = Self::new(ErrorKind::Api, &error.message);
        event.0.api = ApiError {
            message: Some(error.message.clone()),
            kind: error.type_.clone(),
            param: error.param.clone(),
            code: error.code.clone(),
        };
        event
    }

    /// Prefixes the message with context.
    pub(crate) fn with_context(mut self, context: &str) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    pub(crate) fn with_param(mut self, param: &str) -> Self {
        self.0.api.param = Some(param.to_owned());
        self
    }

    pub(crate) fn with_code(mut self, code: &str) -> Self {
        self.0.api.code = Some(code.to_owned());
        self
    }

    pub(crate) fn with_run(mut self, run: Option<Run>) -> Self {
        self.0.run = run;
        self
    }

    /// Adds the run, unless the error has one already.
    pub(crate) fn or_run(self, run: &Run) -> Self {
        if self.0.run.is_some() { self } else { self.with_run(Some(run.clone())) }
    }

    pub(crate) fn with_source(mut self, source: Source) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Adds the error that caused this one, if any.
    pub(crate) fn with_cause(self, cause: Option<Self>) -> Self {
        match cause {
            Some(cause) => self.with_source(Source::Other(Box::new(cause))),
            None => self,
        }
    }

    /// Truncates all texts, for errors that are collected in lists.
    pub(crate) fn truncated(mut self) -> Self {
        let Inner { message, body, api: ApiError { kind, param, code, .. }, .. } = &mut *self.0;
        let texts = [body, kind, param, code].into_iter().flatten();
        for text in texts.chain([message]) {
            if let Cow::Owned(truncated) = truncate(text, MAX_COLLECTED) {
                *text = truncated;
            }
        }
        self
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the message, from the server if it sent one. `Display` truncates long messages; this
    /// does not.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the HTTP status of the response, if a response arrived.
    pub fn status(&self) -> Option<u16> {
        self.0.status.map(|status| status.as_u16())
    }

    /// Returns the `type` of the API error, such as `invalid_request_error`.
    pub fn error_type(&self) -> Option<&str> {
        self.0.api.kind.as_deref()
    }

    /// Returns the invalid parameter, such as `tools[0].function.name`.
    pub fn param(&self) -> Option<&str> {
        self.0.api.param.as_deref()
    }

    /// Returns the `code` of the API error, such as `rate_limit_exceeded`. Numeric codes are returned
    /// as digits.
    pub fn code(&self) -> Option<&str> {
        self.0.api.code.as_deref()
    }

    /// Returns the server's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns how long the server asks to wait before the next request, if it specifies that.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub(crate) fn should_retry(&self) -> Option<bool> {
        self.0.should_retry
    }

    /// Returns the active run, if the server rejected a run or a message because its thread is busy.
    /// [`Runs::ensure_idle`](crate::Runs::ensure_idle) frees the thread.
    pub fn active_run(&self) -> Option<ActiveRun> {
        if self.0.active.is_some() || self.0.kind != ErrorKind::Api {
            return self.0.active.clone();
        }
        // No code identifies this error, only the wording of the message, which is part of the API.
        let words: Vec<&str> = self.0.message.split(' ').collect();
        let (thread, run) = match words.as_slice() {
            ["Thread", thread, "already", "has", "an", "active", "run", run, ..] => {
                (thread, run.strip_suffix('.').unwrap_or(run))
            }
            [
                "Can't",
                "add",
                "messages",
                "to",
                thread,
                "while",
                "a",
                "run",
                run,
                "is",
                "active" | "active.",
                ..,
            ] => (thread, *run),
            _ => return None,
        };
        Some(ActiveRun { thread_id: (*thread).to_owned(), run_id: run.to_owned() })
    }

    /// Returns whether the thread is busy with another run.
    pub fn is_active_run(&self) -> bool {
        self.active_run().is_some()
    }

    /// Returns the body of the response, truncated to 1 MiB, if a response arrived.
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// Returns the last known state of the run, if the error is about a run.
    pub fn run(&self) -> Option<&Run> {
        self.0.run.as_ref()
    }

    /// Returns whether the object does not exist (status 404).
    pub fn is_not_found(&self) -> bool {
        self.0.status == Some(StatusCode::NOT_FOUND)
    }

    /// Returns whether the server limits the request rate (status 429).
    pub fn is_rate_limited(&self) -> bool {
        self.0.status == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Returns whether authentication failed: status 401 or 403, or the token provider failed.
    pub fn is_authentication(&self) -> bool {
        self.0.kind == ErrorKind::Authentication
            || matches!(self.0.status, Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
    }

    /// Returns whether the request timed out.
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::Timeout
    }

    /// Returns whether no connection was established, so that nothing was sent.
    pub fn is_connect(&self) -> bool {
        matches!(&self.0.source, Some(Source::Http(error)) if error.is_connect())
    }

    /// Returns whether a wait exceeded its deadline.
    pub fn is_deadline(&self) -> bool {
        self.0.kind == ErrorKind::Deadline
    }

    /// Returns whether the response could not be decoded.
    pub fn is_decode(&self) -> bool {
        self.0.kind == ErrorKind::Decode
    }
}
