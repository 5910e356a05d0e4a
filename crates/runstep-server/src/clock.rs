//! The time of day by which objects are dated and runs expire.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;

/// Ten years: what a timer takes for never.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The end of the year 9999.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

/// A clock that stands still until a test advances it.
///
/// It dates what a server makes, and runs expire by it. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use runstep_server::{ManualClock, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), runstep_server::StartError> {
/// let clock = ManualClock::new();
/// let server = Server::builder().clock(clock.clone()).spawn().await?;
/// clock.advance(Duration::from_secs(600)); // every run that is under way expires
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    since_epoch: Arc<watch::Sender<Duration>>,
}

impl ManualClock {
    /// A clock that shows the present time.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(SystemTime::now())
    }

    /// A clock that shows a time, or 1970 if the time is before that.
    #[must_use]
    pub fn starting_at(time: SystemTime) -> Self {
        Self { since_epoch: Arc::new(watch::Sender::new(since_epoch(time).min(LATEST))) }
    }

    /// What it shows. Objects have the whole seconds of it.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.shown()
    }

    /// Lets time pass, to the end of the year 9999 at most. What is due by then happens as soon as
    /// its task runs.
    pub fn advance(&self, duration: Duration) {
        self.since_epoch.send_modify(|time| *time = time.saturating_add(duration).min(LATEST));
    }

    fn shown(&self) -> Duration {
        *self.since_epoch.borrow()
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

/// What the server tells the time by.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The system's, which advances as tokio's time does, paused time included.
    System { started: Instant, since_epoch: Duration },
    /// A test's.
    Manual(ManualClock),
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self::System { started: Instant::now(), since_epoch: since_epoch(SystemTime::now()) }
    }

    /// Whole seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        let now = match self {
            Self::System { started, since_epoch } => *since_epoch + started.elapsed(),
            Self::Manual(clock) => clock.shown(),
        };
        i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
    }

    /// Waits until a time of day, in seconds since 1970.
    pub(crate) async fn sleep_until(&self, time: i64) {
        match self {
            Self::System { .. } => tokio::time::sleep_until(self.instant(time)).await,
            Self::Manual(clock) => {
                let due =
                    |now: &Duration| i64::try_from(now.as_secs()).is_ok_and(|now| now >= time);
                // The sender cannot go: it is in `clock`.
                let _ = clock.since_epoch.subscribe().wait_for(due).await;
            }
        }
    }

    fn instant(&self, time: i64) -> Instant {
        let ahead = u64::try_from(time.saturating_sub(self.now())).unwrap_or_default();
        let now = Instant::now();
        // What an instant cannot tell is too far off for a timer to matter.
        now.checked_add(Duration::from_secs(ahead)).unwrap_or(now + FAR)
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_time_is_too_far_off() {
        let clock = Clock::system();
        assert!(clock.instant(i64::MIN) <= Instant::now());
        assert!(clock.instant(i64::MAX) > Instant::now() + FAR / 2);
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_who_waits_when_it_is_advanced() {
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
    fn a_manual_clock_starts_no_earlier_than_1970_and_never_overflows() {
        let clock = ManualClock::starting_at(UNIX_EPOCH - Duration::from_secs(5));
        assert_eq!(clock.now(), UNIX_EPOCH);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), UNIX_EPOCH + LATEST);
    }
}
