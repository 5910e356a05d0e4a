//! The time of day, told by the same clock that timers run by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

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
        let ahead = time.saturating_sub(self.now());
        Instant::now() + Duration::from_secs(u64::try_from(ahead).unwrap_or_default())
    }
}
