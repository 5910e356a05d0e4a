//! The delays between polls, and the tolerated errors.

use std::time::Duration;

use reqwest::header::HeaderMap;

use crate::client::Client;
use crate::error::Error;
use crate::headers;
use crate::run_request::RunOptions;
use crate::transport::Backoff;

/// Tolerated errors that have not been reported yet.
#[derive(Default)]
pub(super) struct ToleratedErrors(Vec<Error>);

impl ToleratedErrors {
    /// Maximum number of errors; the oldest is dropped.
    const MAX_COUNT: usize = 8;

    pub(super) fn push(&mut self, error: Error) {
        if self.0.len() == Self::MAX_COUNT {
            self.0.remove(0);
        }
        self.0.push(error.truncated());
    }

    pub(super) fn take(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.0)
    }
}

/// Shortest delay that a server can request, so that no loop runs without delays.
const MIN_REQUESTED_DELAY: Duration = Duration::from_millis(20);
/// Shortest delay that a caller can set.
const MIN_DELAY: Duration = Duration::from_millis(1);
/// Longest delay, so that sums of times do not overflow.
const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Computes the delays between the polls of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollDelays {
    interval: Option<Duration>,
    backoff: Backoff,
    polls: u32,
}

impl PollDelays {
    pub(crate) fn new(interval: Option<Duration>, backoff: Option<Backoff>) -> Self {
        let default = Backoff::new(Duration::from_millis(250), Duration::from_secs(2));
        let backoff = backoff.unwrap_or(default.multiplier(1.5));
        Self { interval, backoff, polls: 0 }
    }

    pub(crate) fn of(options: &RunOptions, client: &Client) -> Self {
        Self::new(options.interval, options.backoff(client))
    }

    /// Returns the delay after a poll: the caller's interval, or the delay that the server requested,
    /// or an exponential backoff.
    pub(crate) fn next(&mut self, requested: Option<Duration>) -> Duration {
        if let Some(interval) = self.interval {
            return interval.clamp(MIN_DELAY, MAX_DELAY);
        }
        if let Some(requested) = requested {
            return requested.clamp(MIN_REQUESTED_DELAY, MAX_DELAY);
        }
        let delay = self.backoff.delay(self.polls).max(MIN_DELAY);
        self.polls = self.polls.saturating_add(1);
        delay
    }

    /// Returns the delay after a response with these headers.
    pub(crate) fn next_after_response(&mut self, headers: &HeaderMap) -> Duration {
        self.next(headers::poll_after(headers))
    }
}
