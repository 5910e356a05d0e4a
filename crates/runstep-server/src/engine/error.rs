//! Errors of the engine, worded as the original API does.

use runstep_api::types::RunStatus;

use crate::store::QuotaExceeded;

/// The reason why a valid request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EngineError {
    /// No object of this kind has this id.
    NotFound { kind: &'static str, id: String },
    /// A thread can have only one active run.
    ActiveRun { thread_id: String, run_id: String },
    /// Messages cannot be added to a thread with an active run.
    MessagesWhileActive { thread_id: String, run_id: String },
    /// Messages cannot be deleted from a thread with an active run.
    DeletionWhileActive { thread_id: String, run_id: String },
    /// Only a run that requires action accepts tool outputs.
    OutputsNotAccepted { status: RunStatus },
    /// The outputs of all calls must be submitted at once.
    UnexpectedOutputs { expected: Vec<String>, got: Vec<String> },
    /// A call can have only one output.
    DuplicateOutputs { got: Vec<String> },
    /// A run that has ended or is being cancelled cannot be cancelled.
    CannotCancel { status: RunStatus },
    /// The field is part of the API, but this server does not support its value.
    Unsupported { param: String, feature: String },
    /// The queue of runs is full.
    QueueFull { in_progress: usize, queued: usize },
    /// The memory quota for objects is used up.
    QuotaExceeded { limit: usize },
    /// The value of the field is not valid.
    Invalid { param: String, message: String },
}

impl EngineError {
    pub(crate) fn not_found(kind: &'static str, id: &str) -> Self {
        Self::NotFound { kind, id: id.to_owned() }
    }

    pub(crate) fn unsupported(param: impl Into<String>, feature: impl Into<String>) -> Self {
        Self::Unsupported { param: param.into(), feature: feature.into() }
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

impl From<QuotaExceeded> for EngineError {
    fn from(error: QuotaExceeded) -> Self {
        Self::QuotaExceeded { limit: error.limit }
    }
}

/// Formats ids as the API does: `['a', 'b']`.
fn list(ids: &[String]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    format!("[{}]", quoted.join(", "))
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound { kind, id } => write!(f, "No {kind} found with id '{id}'."),
            Self::ActiveRun { thread_id, run_id } => {
                write!(f, "Thread {thread_id} already has an active run {run_id}.")
            }
            Self::MessagesWhileActive { thread_id, run_id } => {
                write!(f, "Can't add messages to {thread_id} while a run {run_id} is active.")
            }
            Self::DeletionWhileActive { thread_id, run_id } => {
                write!(f, "Can't delete messages from {thread_id} while a run {run_id} is active.")
            }
            Self::OutputsNotAccepted { status } => {
                write!(f, "Runs in status \"{status}\" do not accept tool outputs.")
            }
            Self::UnexpectedOutputs { expected, got } => {
                write!(
                    f,
                    "Expected tool outputs for call_ids {}, got {}",
                    list(expected),
                    list(got)
                )
            }
            Self::DuplicateOutputs { got } => {
                write!(f, "Duplicate call_ids submitted: {}", list(got))
            }
            Self::CannotCancel { status } => write!(f, "Cannot cancel run with status '{status}'."),
            Self::Unsupported { param, feature } => {
                write!(
                    f,
                    "Unsupported value for '{param}': this server does not support {feature}."
                )
            }
            Self::QueueFull { in_progress, queued } => {
                write!(f, "{in_progress} runs are in progress and {queued} are queued")
            }
            Self::QuotaExceeded { limit } => {
                write!(f, "the objects use all {limit} bytes of their memory quota; delete some")
            }
            Self::Invalid { param, message } => write!(f, "Invalid '{param}': {message}"),
        }
    }
}
