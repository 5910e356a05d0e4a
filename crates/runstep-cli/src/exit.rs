//! The exit codes of the program.

use runstep::types::{Run, RunStatus};

/// Why the program ends, as its exit code. The codes are part of the interface; see the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command succeeded. The run, if there is one, completed.
    Success,
    /// The provider returned an error that no other code describes, or a file cannot be written.
    Failure,
    /// The arguments, the configuration or an input file are not valid. Also clap's code.
    Usage,
    /// The provider rejected the key.
    Authentication,
    /// The object does not exist.
    NotFound,
    /// The connection failed or timed out.
    Network,
    /// The provider limits the rate of requests.
    RateLimited,
    /// The response does not match the API.
    Decode,
    /// The provider does not have the operation.
    Unsupported,
    /// The run failed.
    RunFailed,
    /// The run ended early, because of a limit.
    RunIncomplete,
    /// The run was cancelled.
    RunCancelled,
    /// The run expired.
    RunExpired,
    /// The run waits for tool outputs or another action.
    RunRequiresAction,
    /// The deadline passed while the run was active.
    Deadline,
    /// Ctrl-C ended the command, and the run continues.
    Interrupted,
    /// The reader of the output closed it.
    BrokenPipe,
}

impl Exit {
    /// Returns the code. Those of signals are 128 plus the number of the signal, as in shells.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Authentication => 3,
            Self::NotFound => 4,
            Self::Network => 5,
            Self::RateLimited => 6,
            Self::Decode => 7,
            Self::Unsupported => 8,
            Self::RunFailed => 10,
            Self::RunIncomplete => 11,
            Self::RunCancelled => 12,
            Self::RunExpired => 13,
            Self::RunRequiresAction => 14,
            Self::Deadline => 15,
            Self::Interrupted => 130,
            Self::BrokenPipe => 141,
        }
    }

    /// Returns the code for the status of a run that the command waited for.
    pub(crate) fn of_run(run: &Run) -> Self {
        match run.status {
            RunStatus::Completed => Self::Success,
            RunStatus::Failed => Self::RunFailed,
            RunStatus::Incomplete => Self::RunIncomplete,
            RunStatus::Cancelled => Self::RunCancelled,
            RunStatus::Expired => Self::RunExpired,
            RunStatus::RequiresAction => Self::RunRequiresAction,
            // Only a deadline ends the wait for a run in another status.
            _ => Self::Deadline,
        }
    }
}
