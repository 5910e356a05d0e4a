//! What a poll does after a look that failed, and at which pace it looks.

use std::time::Duration;

use reqwest::header::HeaderMap;

use crate::backoff::Backoff;
use crate::error::Error;
use crate::headers;
use crate::retry::is_passing;

/// Which failed looks at a run a poll goes on after.
///
/// Connection errors, timeouts and the statuses 408, 429 and 5xx may pass: so many of them in a row
/// are tolerated. Any other error, such as 404, ends the poll at once. A look is never sent again by
/// the [`RetryPolicy`](crate::RetryPolicy): the next look is the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PollErrorPolicy {
    in_a_row: u32,
}

impl Default for PollErrorPolicy {
    /// Five in a row are tolerated.
    fn default() -> Self {
        Self { in_a_row: 5 }
    }
}

impl PollErrorPolicy {
    /// The first failed look ends the poll.
    pub fn none() -> Self {
        Self { in_a_row: 0 }
    }

    /// How many failed looks in a row are tolerated. Default: 5.
    pub fn in_a_row(mut self, count: u32) -> Self {
        self.in_a_row = count;
        self
    }

    /// Whether the poll goes on after an error, with so many others before it in a row.
    pub(crate) fn tolerates(self, error: &Error, before: u32) -> bool {
        before < self.in_a_row && is_passing(error)
    }
}

/// Failed looks that were tolerated and not told yet; the last of them.
#[derive(Default)]
pub(super) struct Failures(Vec<Error>);

impl Failures {
    /// How many are kept, whatever the policy tolerates.
    const MOST: usize = 8;

    pub(super) fn push(&mut self, error: Error) {
        if self.0.len() == Self::MOST {
            self.0.remove(0);
        }
        self.0.push(error.shortened());
    }

    pub(super) fn take(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.0)
    }
}

/// The shortest pause that a server can ask for, so that none is asked without end.
const LEAST_ASKED: Duration = Duration::from_millis(20);
/// The shortest pause that a caller can ask for.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause of all, so that no sum of times overflows.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The pace at which a run is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    interval: Option<Duration>,
    backoff: Backoff,
    looks: u32,
}

impl Pace {
    pub(crate) fn new(interval: Option<Duration>, backoff: Option<Backoff>) -> Self {
        let usual = Backoff::new(Duration::from_millis(250), Duration::from_secs(2)).factor(1.5);
        Self { interval, backoff: backoff.unwrap_or(usual), looks: 0 }
    }

    /// How long to pause after a reply: as the caller says, else as the server asks, else longer
    /// each time.
    pub(crate) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        if let Some(interval) = self.interval {
            return interval.clamp(LEAST_PAUSE, LONGEST_PAUSE);
        }
        if let Some(asked) = asked {
            return asked.clamp(LEAST_ASKED, LONGEST_PAUSE);
        }
        let pause = self.backoff.pause(self.looks).max(LEAST_PAUSE);
        self.looks = self.looks.saturating_add(1);
        pause
    }

    pub(crate) fn pause_after(&mut self, headers: &HeaderMap) -> Duration {
        self.pause(headers::poll_after(headers))
    }
}
