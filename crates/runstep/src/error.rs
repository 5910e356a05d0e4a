//! What can go wrong, in one type.

mod text;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use runstep_api::types::{ErrorObject, Run};

use crate::error_body::beginning;
use crate::headers;

const TIMED_OUT: &str = "the request timed out";
/// How much of a reply's body an error keeps, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// How much of it is kept where many errors are, in characters.
const KEPT: usize = 4 * 1024;

/// The result of a request.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request failed: what happened, and what the server said about it.
///
/// # Troubleshooting
///
/// - [`is_not_found`](Self::is_not_found): the id is wrong, or belongs to another key or server.
/// - [`is_deadline`](Self::is_deadline): the run still goes on; [`run`](Self::run) is its last
///   known state, and polling it again continues to wait.
/// - [`is_connect`](Self::is_connect): nothing was sent; is the base URL right?
/// - [`is_decode`](Self::is_decode): the reply is not what the API says; [`body`](Self::body) has it.
/// - For anything else the server's words are in [`message`](Self::message), and
///   [`request_id`](Self::request_id) is what its operators will ask for.
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

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client cannot be built from what it was told.
    Configuration,
    /// The request was not sent because something in it cannot be right.
    InvalidRequest,
    /// No connection could be made, or it broke.
    Connection,
    /// The request took longer than its timeout.
    Timeout,
    /// No token could be had from the callback that gives tokens.
    Authentication,
    /// The server replied with an error.
    Api,
    /// The server's reply could not be decoded.
    Decode,
    /// A wait reached its deadline.
    Deadline,
    /// A tool call failed and was not to be tolerated, or a run asked for too many rounds of calls.
    Tool,
    /// The run ended without the answer that was asked for.
    NoAnswer,
}

impl ErrorKind {
    /// The kind as one word, as traces have it.
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
        }
    }
}

/// The run that keeps a thread busy; see [`Error::active_run`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveRun {
    /// The thread.
    pub thread_id: String,
    /// The run that is active on it.
    pub run_id: String,
}

/// What an error reply says; what it leaves out is none.
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

/// What a callback for tokens fails with.
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

    /// A thread that is busy, as seen by the client itself.
    pub(crate) fn active(active: ActiveRun) -> Self {
        let ActiveRun { thread_id, run_id } = &active;
        let message = format!("Thread {thread_id} already has an active run {run_id}.");
        let mut error = Self::new(ErrorKind::Api, message);
        error.0.active = Some(active);
        error
    }

    /// An error reply, with its body as far as it was read.
    pub(crate) fn api(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        cut: Option<&str>,
    ) -> Self {
        let mut api = crate::error_body::parse(body);
        let message = match api.message.take() {
            Some(message) => message,
            None => crate::error_body::describe(headers, body, cut),
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

    pub(crate) fn timed_out() -> Self {
        Self::new(ErrorKind::Timeout, TIMED_OUT)
    }

    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        let body = body.get(..MAX_BODY).unwrap_or(body);
        self.0.body = Some(String::from_utf8_lossy(body).into_owned());
        self
    }

    /// What a reply began with, if one came.
    pub(crate) fn with_head(mut self, status: Option<StatusCode>, headers: &HeaderMap) -> Self {
        self.0.status = status;
        self.with_headers(headers)
    }

    pub(crate) fn with_headers(mut self, headers: &HeaderMap) -> Self {
        self.0.request_id = headers::request_id(headers).map(str::to_owned);
        self.0.retry_after = headers::retry_after(headers);
        self.0.should_retry = headers::should_retry(headers);
        self
    }

    /// An error of whoever gives tokens. All requests that waited for the token have it.
    pub(crate) fn token(source: TokenError) -> Self {
        Self::new(ErrorKind::Authentication, "no token could be had; nothing was sent")
            .with_source(Source::Token(source))
    }

    /// What a server says in an event.
    pub(crate) fn event(error: &ErrorObject) -> Self {
        let mut told = Self::new(ErrorKind::Api, &error.message);
        told.0.api = ApiError {
            message: Some(error.message.clone()),
            kind: error.type_.clone(),
            param: error.param.clone(),
            code: error.code.clone(),
        };
        told
    }

    /// Says first what the error means here.
    pub(crate) fn with_context(mut self, context: &str) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    pub(crate) fn with_param(mut self, param: &str) -> Self {
        self.0.api.param = Some(param.to_owned());
        self
    }

    pub(crate) fn with_run(mut self, run: Option<Run>) -> Self {
        self.0.run = run;
        self
    }

    /// Adds the run, unless one is known already.
    pub(crate) fn or_run(self, run: &Run) -> Self {
        if self.0.run.is_some() { self } else { self.with_run(Some(run.clone())) }
    }

    pub(crate) fn with_source(mut self, source: Source) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Names the error below, if there is one.
    pub(crate) fn with_cause(self, cause: Option<Self>) -> Self {
        match cause {
            Some(cause) => self.with_source(Source::Other(Box::new(cause))),
            None => self,
        }
    }

    /// The same error with the beginning of what the server said only, for those that keep many.
    pub(crate) fn shortened(mut self) -> Self {
        let Inner { message, body, api: ApiError { kind, param, code, .. }, .. } = &mut *self.0;
        let texts = [body, kind, param, code].into_iter().flatten();
        for text in texts.chain([message]) {
            if let Cow::Owned(beginning) = beginning(text, KEPT) {
                *text = beginning;
            }
        }
        self
    }

    /// Which kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, in the server's words where it gave any. All of them: `Display` shows the
    /// beginning of a long message only.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The reply's HTTP status; none where no reply came.
    pub fn status(&self) -> Option<u16> {
        self.0.status.map(|status| status.as_u16())
    }

    /// The `type` of the API's error, such as `invalid_request_error`.
    pub fn error_type(&self) -> Option<&str> {
        self.0.api.kind.as_deref()
    }

    /// The request's parameter that the error is about, such as `tools[0].function.name`.
    pub fn param(&self) -> Option<&str> {
        self.0.api.param.as_deref()
    }

    /// The `code` of the API's error, such as `rate_limit_exceeded`; a number as its digits.
    pub fn code(&self) -> Option<&str> {
        self.0.api.code.as_deref()
    }

    /// The server's id of the request, by which its operators find it.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the server asks to wait before the next request; none where it does not say.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub(crate) fn should_retry(&self) -> Option<bool> {
        self.0.should_retry
    }

    /// The thread and the run that keeps it busy, when the server refuses a run or a message
    /// because of it. [`Runs::ensure_idle`](crate::Runs::ensure_idle) helps.
    pub fn active_run(&self) -> Option<ActiveRun> {
        if self.0.active.is_some() || self.0.kind != ErrorKind::Api {
            return self.0.active.clone();
        }
        // No code tells it, only the message, whose words are part of the API.
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

    /// Whether the thread is busy with another run.
    pub fn is_active_run(&self) -> bool {
        self.active_run().is_some()
    }

    /// The reply's body as it came, up to 1 MiB of it; none where no reply came.
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// The last state of the run that was waited for, if one was seen.
    pub fn run(&self) -> Option<&Run> {
        self.0.run.as_ref()
    }

    /// Whether the server does not have what was asked for (status 404).
    pub fn is_not_found(&self) -> bool {
        self.0.status == Some(StatusCode::NOT_FOUND)
    }

    /// Whether the server asks to slow down (status 429).
    pub fn is_rate_limited(&self) -> bool {
        self.0.status == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Whether the key was not accepted (status 401 or 403), or no token could be had.
    pub fn is_authentication(&self) -> bool {
        self.0.kind == ErrorKind::Authentication
            || matches!(self.0.status, Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
    }

    /// Whether the request timed out.
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::Timeout
    }

    /// Whether no connection could be made, so that nothing was sent.
    pub fn is_connect(&self) -> bool {
        matches!(&self.0.source, Some(Source::Http(error)) if error.is_connect())
    }

    /// Whether a wait reached its deadline.
    pub fn is_deadline(&self) -> bool {
        self.0.kind == ErrorKind::Deadline
    }

    /// Whether the reply could not be decoded.
    pub fn is_decode(&self) -> bool {
        self.0.kind == ErrorKind::Decode
    }
}
