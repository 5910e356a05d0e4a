//! Which errors of a poll loop are tolerated.

use super::retry::is_transient;
use crate::error::Error;

/// Which errors a poll loop tolerates.
///
/// Connection errors, timeouts and the statuses 408, 429 and 5xx are transient: a number of them in
/// a row is tolerated. Any other error, such as 404, ends the loop. The
/// [`RetryPolicy`](crate::RetryPolicy) does not apply: the next poll is the retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PollErrorPolicy {
    max_consecutive_errors: u32,
}

impl Default for PollErrorPolicy {
    /// Tolerates five consecutive errors.
    fn default() -> Self {
        Self { max_consecutive_errors: 5 }
    }
}

impl PollErrorPolicy {
    /// Creates a policy that tolerates no errors.
    pub fn none() -> Self {
        Self { max_consecutive_errors: 0 }
    }

    /// Sets how many consecutive errors are tolerated. Default: 5.
    pub fn max_consecutive_errors(mut self, count: u32) -> Self {
        self.max_consecutive_errors = count;
        self
    }

    /// Returns whether the loop continues after an error that follows `previous` consecutive errors.
    pub(crate) fn tolerates(self, error: &Error, previous: u32) -> bool {
        previous < self.max_consecutive_errors && is_transient(error)
    }
}
