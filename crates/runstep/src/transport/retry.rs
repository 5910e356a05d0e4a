//! Retry policies: which failed requests are sent again, and when.

use std::time::Duration;

use super::backoff::Backoff;
use crate::error::{Error, ErrorKind};

/// How often and how soon failed requests are retried.
///
/// Requests that read or delete are idempotent: they are retried after connection errors,
/// timeouts, and the statuses 408, 429 and 5xx. Requests that create or change something are
/// retried only if they were never sent, or if the server states that it did not process them:
/// status 429, 503 with a `Retry-After`, or `x-should-retry: true`. A run is never created twice.
///
/// A request that is rejected with status 401 is sent once more with a new token, if there is a
/// token provider. This does not count as an attempt.
///
/// A retried delete whose first response was lost may return status 404, because the object is gone
/// already.
///
/// `x-should-retry: false` prevents a retry. `retry-after-ms` and `Retry-After` are honored up to
/// [`max_retry_after`](Self::max_retry_after). If the server requests a longer delay, the request
/// is not retried, and [`Error::retry_after`] returns that delay.
///
/// ```
/// use std::time::Duration;
/// use runstep::{Backoff, RetryPolicy};
///
/// let policy = RetryPolicy::default()
///     .max_attempts(5)
///     .backoff(Backoff::new(Duration::from_secs(1), Duration::from_secs(30)));
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct RetryPolicy {
    max_attempts: u32,
    backoff: Backoff,
    max_retry_after: Duration,
}

impl Default for RetryPolicy {
    /// Three attempts, with exponential delays from 500 ms, at most 8 s, each shortened by up to 25 %
    /// of jitter.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(8)),
            max_retry_after: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Creates a policy without retries.
    pub fn none() -> Self {
        Self::default().max_attempts(1)
    }

    /// Sets how often a request is sent, including the first attempt; at least 1. Default: 3.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Sets the delays if the server does not specify one. Default: exponential from 500 ms, at most
    /// 8 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the longest delay that the client accepts from a server. Default: 60 s.
    pub fn max_retry_after(mut self, delay: Duration) -> Self {
        self.max_retry_after = delay;
        self
    }

    /// Returns the delay before the next attempt, or `None` if the request is not retried.
    pub(crate) fn delay(
        &self,
        error: &Error,
        is_idempotent: bool,
        attempt: u32,
    ) -> Option<Duration> {
        if attempt >= self.max_attempts || !is_retryable(error, is_idempotent) {
            return None;
        }
        match error.retry_after() {
            Some(requested) => (requested <= self.max_retry_after).then_some(requested),
            None => Some(self.backoff.delay(attempt - 1)),
        }
    }
}

fn is_retryable(error: &Error, is_idempotent: bool) -> bool {
    match error.should_retry() {
        Some(false) => return false,
        // If a successful response cannot be read, the server has processed the request.
        Some(true) if error.kind() == ErrorKind::Api => return true,
        _ => {}
    }
    if error.is_connect() {
        return true;
    }
    match error.status() {
        Some(429) => true,
        Some(503) if error.retry_after().is_some() => true,
        _ => is_idempotent && is_transient(error),
    }
}

/// Returns whether an error is transient.
pub(crate) fn is_transient(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connection | ErrorKind::Timeout => true,
        ErrorKind::Api => matches!(error.status(), Some(408 | 429 | 500..=599)),
        _ => false,
    }
}
