//! Exponential backoff.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Delays that grow exponentially up to a maximum, with jitter so that many clients do not retry
/// at the same moment.
///
/// ```
/// use std::time::Duration;
/// use runstep::Backoff;
///
/// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1)).jitter(0.0);
/// assert_eq!(backoff.delay(0), Duration::from_millis(100));
/// assert_eq!(backoff.delay(1), Duration::from_millis(200));
/// assert_eq!(backoff.delay(9), Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Backoff {
    initial_delay: Duration,
    max_delay: Duration,
    multiplier: f64,
    jitter: f64,
}

/// Upper bound of every delay, so that sums of times do not overflow.
const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Backoff {
    /// Creates delays from `initial_delay` to `max_delay` (at most one day). Default multiplier: 2.
    /// Default jitter: 0.25.
    pub fn new(initial_delay: Duration, max_delay: Duration) -> Self {
        let max_delay = max_delay.min(MAX_DELAY);
        let initial_delay = initial_delay.min(max_delay);
        Self { initial_delay, max_delay, multiplier: 2.0, jitter: 0.25 }
    }

    /// Sets the factor between consecutive delays, at least 1. Values that are not finite count as 1.
    /// Default: 2.
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.multiplier = if multiplier.is_finite() { multiplier.max(1.0) } else { 1.0 };
        self
    }

    /// Shortens each delay by a random fraction of up to `jitter`, 0 to 1. Values that are not finite
    /// count as 0. Default: 0.25.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
        self
    }

    /// Returns the delay before a retry, where `retry` counts from 0.
    pub fn delay(&self, retry: u32) -> Duration {
        let delay = self.initial_delay.as_secs_f64() * self.multiplier.powf(f64::from(retry));
        let seconds = delay.min(self.max_delay.as_secs_f64());
        Duration::from_secs_f64(seconds * (1.0 - self.jitter * random_fraction()))
    }
}

/// Returns a number from 0 to 1 that is random enough to spread clients.
fn random_fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}
