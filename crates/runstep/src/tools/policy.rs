//! What becomes of a call that failed.

use super::error::{ToolError, ToolErrorKind};

/// What becomes of a call that gave no output: arguments that do not fit, an unknown name, an error
/// of the function, a panic, a timeout.
///
/// By default the model is told what went wrong in place of an output, so that it can try again.
/// After too many rounds with a failure, one after the other, the run is cancelled, and the error
/// of the last one is given back ([`Error::tool_error`](crate::Error::tool_error)).
///
/// The model reads the error's text as [`Display`](std::fmt::Display) gives it, but not that of a
/// panic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct FailurePolicy {
    in_a_row: u32,
    fatal: Vec<ToolErrorKind>,
}

impl Default for FailurePolicy {
    /// Three rounds in a row may have failures.
    fn default() -> Self {
        Self { in_a_row: 3, fatal: Vec::new() }
    }
}

impl FailurePolicy {
    /// The first failed call cancels the run.
    pub fn none() -> Self {
        Self::default().in_a_row(0)
    }

    /// How many rounds in a row may have a failed call. Default: 3.
    ///
    /// A round is what the run asks for at once: calls that fail side by side count as one, because
    /// the model has not yet read of any of them.
    pub fn in_a_row(mut self, rounds: u32) -> Self {
        self.in_a_row = rounds;
        self
    }

    /// Makes the first failure of a kind cancel the run. Default: none does.
    pub fn fatal(mut self, kind: ToolErrorKind) -> Self {
        self.fatal.push(kind);
        self
    }

    /// Whether the run goes on after an error, with so many rounds with failures before this one.
    pub(super) fn tolerates(&self, error: &ToolError, before: u32) -> bool {
        // What came too late is no fault of the call: the run says how that ends.
        error.kind() == ToolErrorKind::Late
            || (before < self.in_a_row && !self.fatal.contains(&error.kind()))
    }
}
