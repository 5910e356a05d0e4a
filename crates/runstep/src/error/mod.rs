//! The error type of the crate.

mod body;
mod cause;
mod constructors;
mod display;
mod kind;
#[cfg(feature = "test-util")]
mod test_util;

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use runstep_api::types::Run;

pub(crate) use body::{join, without_mark};
pub use kind::ErrorKind;

/// Maximum length of a body that an error stores, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

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
pub struct Error(Box<Box<dyn Contents>>);

/// The contents of an error. A trait object, so that the code that drops them is compiled once, and not
/// wherever an error may be dropped. In two boxes, so that an error has the size of a pointer.
trait Contents: Send + Sync {
    fn inner(&self) -> &Inner;
    fn inner_mut(&mut self) -> &mut Inner;
}

impl Contents for Inner {
    fn inner(&self) -> &Inner {
        self
    }

    fn inner_mut(&mut self) -> &mut Inner {
        self
    }
}

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
    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.inner().kind
    }

    /// Returns the message, from the server if it sent one. `Display` truncates long messages; this
    /// does not.
    pub fn message(&self) -> &str {
        &self.0.inner().message
    }

    /// Returns the HTTP status of the response, if a response arrived.
    pub fn status(&self) -> Option<u16> {
        self.0.inner().status.map(|status| status.as_u16())
    }

    /// Returns the `type` of the API error, such as `invalid_request_error`.
    pub fn error_type(&self) -> Option<&str> {
        self.0.inner().api.kind.as_deref()
    }

    /// Returns the invalid parameter, such as `tools[0].function.name`.
    pub fn param(&self) -> Option<&str> {
        self.0.inner().api.param.as_deref()
    }

    /// Returns the `code` of the API error, such as `rate_limit_exceeded`. Numeric codes are returned
    /// as digits.
    pub fn code(&self) -> Option<&str> {
        self.0.inner().api.code.as_deref()
    }

    /// Returns the server's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.inner().request_id.as_deref()
    }

    /// Returns how long the server asks to wait before the next request, if it specifies that.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.inner().retry_after
    }

    pub(crate) fn should_retry(&self) -> Option<bool> {
        self.0.inner().should_retry
    }

    /// Returns the active run, if the server rejected a run or a message because its thread is busy.
    /// [`Runs::ensure_idle`](crate::Runs::ensure_idle) frees the thread.
    pub fn active_run(&self) -> Option<ActiveRun> {
        if self.0.inner().active.is_some() || self.0.inner().kind != ErrorKind::Api {
            return self.0.inner().active.clone();
        }
        // No code identifies this error, only the wording of the message, which is part of the API.
        let words: Vec<&str> = self.0.inner().message.split(' ').collect();
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
        self.0.inner().body.as_deref()
    }

    /// Returns the last known state of the run, if the error is about a run.
    pub fn run(&self) -> Option<&Run> {
        self.0.inner().run.as_ref()
    }

    /// Returns whether the object does not exist (status 404).
    pub fn is_not_found(&self) -> bool {
        self.0.inner().status == Some(StatusCode::NOT_FOUND)
    }

    /// Returns whether the server limits the request rate (status 429).
    pub fn is_rate_limited(&self) -> bool {
        self.0.inner().status == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Returns whether authentication failed: status 401 or 403, or the token provider failed.
    pub fn is_authentication(&self) -> bool {
        self.0.inner().kind == ErrorKind::Authentication
            || matches!(
                self.0.inner().status,
                Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            )
    }

    /// Returns whether the request timed out.
    pub fn is_timeout(&self) -> bool {
        self.0.inner().kind == ErrorKind::Timeout
    }

    /// Returns whether no connection was established, so that nothing was sent.
    pub fn is_connect(&self) -> bool {
        matches!(&self.0.inner().source, Some(Source::Http(error)) if error.is_connect())
    }

    /// Returns whether a wait exceeded its deadline.
    pub fn is_deadline(&self) -> bool {
        self.0.inner().kind == ErrorKind::Deadline
    }

    /// Returns whether the response could not be decoded.
    pub fn is_decode(&self) -> bool {
        self.0.inner().kind == ErrorKind::Decode
    }
}
