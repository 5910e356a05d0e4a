//! How failed calls are handled.

use super::error::{ToolError, ToolErrorKind};

/// How failed calls are handled: invalid arguments, an unknown name, an error of the function, a
/// panic, or a timeout.
///
/// By default the model receives the error instead of an output, so that it can try again. After
/// too many consecutive rounds with a failure, the run is cancelled and the last error is returned
/// ([`Error::tool_error`](crate::Error::tool_error)).
///
/// The model receives the [`Display`](std::fmt::Display) text of the error, except for a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct FailurePolicy {
    max_consecutive_failures: u32,
    fatal: Vec<ToolErrorKind>,
}

impl Default for FailurePolicy {
    /// Tolerates three consecutive rounds with failures.
    fn default() -> Self {
        Self { max_consecutive_failures: 3, fatal: Vec::new() }
    }
}

impl FailurePolicy {
    /// Creates a policy that cancels the run after the first failed call.
    pub fn none() -> Self {
        Self::default().max_consecutive_failures(0)
    }

    /// Sets how many consecutive rounds may contain a failed call. Default: 3.
    ///
    /// A round is all calls that the run requires at once. Calls that fail in the same round count
    /// once, because the model has not received any of their errors yet.
    pub fn max_consecutive_failures(mut self, rounds: u32) -> Self {
        self.max_consecutive_failures = rounds;
        self
    }

    /// Makes the first failure of a kind cancel the run. Default: none.
    pub fn fatal(mut self, kind: ToolErrorKind) -> Self {
        self.fatal.push(kind);
        self
    }

    /// Returns whether the run continues after an error that follows `previous` rounds with failures.
    pub(super) fn tolerates(&self, error: &ToolError, previous: u32) -> bool {
        // A late call is not the fault of the model, and the run ends anyway.
        error.kind() == ToolErrorKind::DeadlineExceeded
            || (previous < self.max_consecutive_failures && !self.fatal.contains(&error.kind()))
    }
}
