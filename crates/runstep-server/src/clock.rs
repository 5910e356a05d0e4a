//! The time of day, told by the same clock that timers run by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Ten years.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Seconds since the Unix epoch that advance as tokio's time does, paused time included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    epoch: Duration,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), epoch }
    }

    pub(crate) fn now(&self) -> i64 {
        let now = self.epoch + self.started.elapsed();
        i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
    }

    /// When a timer for a time of day must go off.
    pub(crate) fn instant(&self, time: i64) -> Instant {
        let ahead = u64::try_from(time.saturating_sub(self.now())).unwrap_or_default();
        let now = Instant::now();
        // What an instant cannot tell is too far off for a timer to matter.
        now.checked_add(Duration::from_secs(ahead)).unwrap_or(now + FAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_time_is_too_far_off() {
        let clock = Clock::new();
        assert!(clock.instant(i64::MIN) <= Instant::now());
        assert!(clock.instant(i64::MAX) > Instant::now() + FAR / 2);
    }
}
