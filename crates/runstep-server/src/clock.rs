//! The clock that timestamps objects and expires runs.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;

/// The longest timer, ten years.
const MAX_TIMER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The end of the year 9999.
const MAX_TIME: Duration = Duration::from_secs(253_402_300_799);

/// A clock that only moves when a test advances it.
///
/// The server timestamps objects and expires runs with it. Clones share the same time.
///
/// ```
/// use std::time::Duration;
/// use runstep_server::{ManualClock, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), runstep_server::StartError> {
/// let clock = ManualClock::new();
/// let server = Server::builder().clock(clock.clone()).spawn().await?;
/// clock.advance(Duration::from_secs(600)); // every active run expires
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    since_epoch: Arc<watch::Sender<Duration>>,
}

impl ManualClock {
    /// Creates a clock that starts at the current time.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(SystemTime::now())
    }

    /// Creates a clock that starts at `time`, or at the Unix epoch if `time` is before it.
    #[must_use]
    pub fn starting_at(time: SystemTime) -> Self {
        Self { since_epoch: Arc::new(watch::Sender::new(since_epoch(time).min(MAX_TIME))) }
    }

    /// Returns the current time. Timestamps of objects are in whole seconds.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.since_epoch()
    }

    /// Moves the time forward, at most to the end of the year 9999. Timers that are due fire as
    /// soon as their tasks run.
    pub fn advance(&self, duration: Duration) {
        self.since_epoch.send_modify(|time| *time = time.saturating_add(duration).min(MAX_TIME));
    }

    fn since_epoch(&self) -> Duration {
        *self.since_epoch.borrow()
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

/// The clock of a server.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The system's clock. It advances with tokio's time, which tests can pause.
    System { started: Instant, since_epoch: Duration },
    /// A clock that a test advances.
    Manual(ManualClock),
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self::System { started: Instant::now(), since_epoch: since_epoch(SystemTime::now()) }
    }

    /// Returns the Unix time in whole seconds.
    pub(crate) fn now(&self) -> i64 {
        let now = match self {
            Self::System { started, since_epoch } => *since_epoch + started.elapsed(),
            Self::Manual(clock) => clock.since_epoch(),
        };
        i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
    }

    /// Waits until a Unix time in seconds.
    pub(crate) async fn sleep_until(&self, time: i64) {
        match self {
            Self::System { .. } => tokio::time::sleep_until(self.instant(time)).await,
            Self::Manual(clock) => {
                let due =
                    |now: &Duration| i64::try_from(now.as_secs()).is_ok_and(|now| now >= time);
                // The sender is not dropped: `clock` holds it.
                let _ = clock.since_epoch.subscribe().wait_for(due).await;
            }
        }
    }

    fn instant(&self, time: i64) -> Instant {
        let ahead = u64::try_from(time.saturating_sub(self.now())).unwrap_or_default();
        let now = Instant::now();
        // An `Instant` cannot represent every time.
        now.checked_add(Duration::from_secs(ahead)).unwrap_or(now + MAX_TIMER)
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn distant_times_do_not_overflow() {
        let clock = Clock::system();
        assert!(clock.instant(i64::MIN) <= Instant::now());
        assert!(clock.instant(i64::MAX) > Instant::now() + MAX_TIMER / 2);
    }

    #[tokio::test]
    async fn advancing_a_manual_clock_wakes_due_timers() {
        let manual = ManualClock::starting_at(UNIX_EPOCH + Duration::from_secs(1000));
        let clock = Clock::Manual(manual.clone());
        let waiting = tokio::spawn(async move {
            clock.sleep_until(1600).await;
            clock.now()
        });
        manual.advance(Duration::from_millis(599_999));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        manual.advance(Duration::from_millis(1));
        assert_eq!(waiting.await.unwrap(), 1600);
        assert_eq!(manual.now(), UNIX_EPOCH + Duration::from_secs(1600));
    }

    #[test]
    fn manual_clock_starts_at_the_epoch_or_later_and_does_not_overflow() {
        let clock = ManualClock::starting_at(UNIX_EPOCH - Duration::from_secs(5));
        assert_eq!(clock.now(), UNIX_EPOCH);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), UNIX_EPOCH + MAX_TIME);
    }
}
