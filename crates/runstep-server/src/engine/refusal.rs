//! Why a request is refused, in the words of the API.

use runstep_api::types::RunStatus;

use crate::store::Full;

/// A request that the state of things, or the server's abilities, do not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no object of this kind with this id.
    NotFound { kind: &'static str, id: String },
    /// A thread has one active run at a time.
    ActiveRun { thread_id: String, run_id: String },
    /// A thread with an active run takes no messages.
    MessagesWhileActive { thread_id: String, run_id: String },
    /// A thread with an active run keeps its messages.
    DeletionWhileActive { thread_id: String, run_id: String },
    /// Only a run that requires action takes outputs.
    TakesNoOutputs { status: RunStatus },
    /// Each call needs its output, all at once.
    OtherOutputsExpected { expected: Vec<String>, got: Vec<String> },
    /// Each call takes one output.
    DuplicateOutputs { got: Vec<String> },
    /// A run that has ended, or is being cancelled, cannot be cancelled.
    CannotCancel { status: RunStatus },
    /// The field is part of the API, but this server cannot honour it.
    Unsupported { param: String, what: String },
    /// As many runs are under way as may be.
    Busy { concurrent: usize, queued: usize },
    /// The objects take as much as they may.
    Full { limit: usize },
    /// The field's value cannot be right.
    Invalid { param: String, message: String },
}

impl Refusal {
    pub(crate) fn not_found(kind: &'static str, id: &str) -> Self {
        Self::NotFound { kind, id: id.to_owned() }
    }

    pub(crate) fn unsupported(param: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Unsupported { param: param.into(), what: what.into() }
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

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        Self::Full { limit: full.limit }
    }
}

/// Ids as the API lists them: `['a', 'b']`.
fn listed(ids: &[String]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    format!("[{}]", quoted.join(", "))
}

impl std::fmt::Display for Refusal {
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
            Self::TakesNoOutputs { status } => {
                write!(f, "Runs in status \"{status}\" do not accept tool outputs.")
            }
            Self::OtherOutputsExpected { expected, got } => {
                write!(
                    f,
                    "Expected tool outputs for call_ids {}, got {}",
                    listed(expected),
                    listed(got)
                )
            }
            Self::DuplicateOutputs { got } => {
                write!(f, "Duplicate call_ids submitted: {}", listed(got))
            }
            Self::CannotCancel { status } => write!(f, "Cannot cancel run with status '{status}'."),
            Self::Unsupported { param, what } => {
                write!(f, "Unsupported value for '{param}': this server does not support {what}.")
            }
            Self::Busy { concurrent, queued } => {
                write!(f, "{concurrent} runs are in progress and {queued} more wait")
            }
            Self::Full { limit } => {
                write!(f, "the objects take {limit} bytes, which is all they may: delete some")
            }
            Self::Invalid { param, message } => write!(f, "Invalid '{param}': {message}"),
        }
    }
}
