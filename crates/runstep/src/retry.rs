//! When a request is sent again, and when not.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind};

/// How often and how soon a failed request is sent again.
///
/// A request that only reads, or deletes, is sent again after a connection error, a timeout, and
/// the statuses 408, 429 and 5xx. A request that makes or changes something is sent again only if
/// it was never sent, or if the server says that it did nothing: status 429, 503 with a time to
/// come back, or `x-should-retry: true`. So no run is made twice.
///
/// A request to delete that is sent again because the first reply was lost may find nothing left to
/// delete: status 404 then tells that it is gone.
///
/// `x-should-retry: false` forbids it. `retry-after-ms` and `Retry-After` are honoured up to
/// [`longest_retry_after`](Self::longest_retry_after); a server that asks for more gets no second
/// request, and the error says how long in [`Error::retry_after`].
///
/// ```
/// use std::time::Duration;
/// use runstep::{Backoff, RetryPolicy};
///
/// let patient = RetryPolicy::default()
///     .attempts(5)
///     .backoff(Backoff::new(Duration::from_secs(1), Duration::from_secs(30)));
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct RetryPolicy {
    attempts: u32,
    backoff: Backoff,
    longest_retry_after: Duration,
}

impl Default for RetryPolicy {
    /// Three attempts, with pauses from half a second to 8 seconds.
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(8)),
            longest_retry_after: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Every request is sent once.
    pub fn none() -> Self {
        Self::default().attempts(1)
    }

    /// How often a request is sent at most, at least once. Default: 3.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The pauses, where the server names none. Default: from half a second to 8 seconds.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long the client waits at a server's request. Default: 60 s.
    pub fn longest_retry_after(mut self, longest: Duration) -> Self {
        self.longest_retry_after = longest;
        self
    }

    /// How long to wait before a request is sent again; none if it is not.
    pub(crate) fn pause(&self, error: &Error, repeatable: bool, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts || !may_be_sent_again(error, repeatable) {
            return None;
        }
        match error.retry_after() {
            Some(asked) => (asked <= self.longest_retry_after).then_some(asked),
            None => Some(self.backoff.pause(attempt - 1)),
        }
    }
}

fn may_be_sent_again(error: &Error, repeatable: bool) -> bool {
    match error.should_retry() {
        Some(false) => return false,
        // A reply of success that cannot be read is no leave: the server has acted.
        Some(true) if error.kind() == ErrorKind::Api => return true,
        _ => {}
    }
    if error.is_connect() {
        return true;
    }
    match error.status() {
        Some(429) => true,
        Some(503) if error.retry_after().is_some() => true,
        _ => repeatable && is_passing(error),
    }
}

/// Whether an error may be gone the next time.
pub(crate) fn is_passing(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connection | ErrorKind::Timeout => true,
        ErrorKind::Api => matches!(error.status(), Some(408 | 429 | 500..=599)),
        _ => false,
    }
}
