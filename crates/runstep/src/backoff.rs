//! How pauses grow.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Pauses that grow from one to the next, up to a longest, with some chance in each so that many
/// clients do not come back at the same moment.
///
/// ```
/// use std::time::Duration;
/// use runstep::Backoff;
///
/// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1)).jitter(0.0);
/// assert_eq!(backoff.pause(0), Duration::from_millis(100));
/// assert_eq!(backoff.pause(1), Duration::from_millis(200));
/// assert_eq!(backoff.pause(9), Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    factor: f64,
    jitter: f64,
}

/// No pause is longer: sums of times must not overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Backoff {
    /// Pauses from a first to a longest one (a day at most), doubling, each up to a quarter shorter
    /// by chance.
    pub fn new(first: Duration, longest: Duration) -> Self {
        let longest = longest.min(LONGEST);
        Self { first: first.min(longest), longest, factor: 2.0, jitter: 0.25 }
    }

    /// By how much each pause is longer than the one before, at least 1. Default: 2.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = if factor.is_finite() { factor.max(1.0) } else { 1.0 };
        self
    }

    /// Which part of a pause is left to chance, 0 to 1. Default: 0.25.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
        self
    }

    /// The pause after as many others.
    pub fn pause(&self, before: u32) -> Duration {
        let grown = self.first.as_secs_f64() * self.factor.powf(f64::from(before));
        let seconds = grown.min(self.longest.as_secs_f64());
        Duration::from_secs_f64(seconds * (1.0 - self.jitter * chance()))
    }
}

/// A number from 0 to 1, good enough to spread clients.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

/// A name that no other request has.
pub(crate) fn unique_name() -> String {
    let (first, second) = (RandomState::new(), RandomState::new());
    // The states' keys are random for the process, and count up within it.
    format!("runstep-{:016x}{:016x}", first.hash_one("first"), second.hash_one("second"))
}
