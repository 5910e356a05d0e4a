//! The kinds of errors.

use std::fmt;

/// The kind of an [`Error`](super::Error).
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
