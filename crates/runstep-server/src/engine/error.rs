//! Errors of the engine, worded as the original API does.

use std::sync::Arc;

use runstep_api::types::RunStatus;

use crate::store::{QuotaExceeded, StoreError};

pub(super) type Result<T, E = EngineError> = std::result::Result<T, E>;

/// The reason why a valid request fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("No {kind} found with id '{id}'.")]
    NotFound { kind: &'static str, id: String },
    #[error("Thread {thread_id} already has an active run {run_id}.")]
    ActiveRun { thread_id: String, run_id: String },
    #[error("Can't add messages to {thread_id} while a run {run_id} is active.")]
    MessagesWhileActive { thread_id: String, run_id: String },
    #[error("Can't delete messages from {thread_id} while a run {run_id} is active.")]
    DeletionWhileActive { thread_id: String, run_id: String },
    #[error("Runs in status \"{status}\" do not accept tool outputs.")]
    OutputsNotAccepted { status: RunStatus },
    /// The outputs of all calls must be submitted at once.
    #[error("Expected tool outputs for call_ids {}, got {}", list(.expected), list(.got))]
    UnexpectedOutputs { expected: Vec<String>, got: Vec<String> },
    #[error("Duplicate call_ids submitted: {}", list(.got))]
    DuplicateOutputs { got: Vec<String> },
    /// A run that has ended or is being cancelled cannot be cancelled.
    #[error("Cannot cancel run with status '{status}'.")]
    CannotCancel { status: RunStatus },
    /// The field is part of the API, but this server does not support its value.
    #[error("Unsupported value for '{param}': this server does not support {feature}.")]
    Unsupported { param: String, feature: String },
    #[error("{in_progress} runs are in progress and {queued} are queued")]
    QueueFull { in_progress: usize, queued: usize },
    #[error(transparent)]
    QuotaExceeded(#[from] QuotaExceeded),
    /// The idempotency key belongs to a different request.
    #[error(
        "Keys for idempotent requests can only be used for the same request they were first used \
         for. Try a key other than the one of the earlier request if you meant to send another one."
    )]
    KeyReused,
    /// An equal request was executed at the same time, and has the response.
    #[error("The request was executed already.")]
    Replayed,
    /// Another request has changed the object. Operations try again.
    #[error("The object is being changed by other requests.")]
    Stale,
    /// The store cannot be read or written at the moment.
    #[error("The server's data is not available: {0}.")]
    Unavailable(Arc<str>),
    /// The model's provider, which has the files and vector stores, failed.
    #[error("{0}")]
    Upstream(String),
    #[error("Invalid '{param}': {message}")]
    Invalid { param: String, message: String },
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing { kind, id } => Self::NotFound { kind: kind.name(), id },
            StoreError::QuotaExceeded(error) => Self::QuotaExceeded(error),
            StoreError::KeyReused => Self::KeyReused,
            StoreError::Replayed => Self::Replayed,
            // Callers that can get the others handle them.
            StoreError::ActiveRun { .. } | StoreError::Stale | StoreError::UnknownCursor(_) => {
                Self::Stale
            }
            StoreError::Unavailable(reason) | StoreError::UnknownOutcome(reason) => {
                Self::Unavailable(reason)
            }
        }
    }
}

impl EngineError {
    /// Returns whether the request may have succeeded although it has an error.
    pub(super) fn is_uncertain(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Replayed)
    }

    pub(crate) fn unsupported(param: impl Into<String>, feature: impl Into<String>) -> Self {
        Self::Unsupported { param: param.into(), feature: feature.into() }
    }

    pub(super) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { param: param.into(), message: message.into() }
    }

    pub(crate) fn param(&self) -> Option<&str> {
        match self {
            Self::Unsupported { param, .. } | Self::Invalid { param, .. } => Some(param),
            _ => None,
        }
    }

    pub(crate) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Unsupported { .. } => Some("unsupported_value"),
            Self::Invalid { .. } => Some("invalid_value"),
            _ => None,
        }
    }
}

/// Formats ids as the API does: `['a', 'b']`.
fn list(ids: &[String]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    format!("[{}]", quoted.join(", "))
}
