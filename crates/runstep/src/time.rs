//! Deadlines and timers.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Upper bound of every deadline, so that sums of times do not overflow: one year.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Returns the instant after a duration.
pub(crate) fn deadline_after(duration: Duration) -> Instant {
    after(Instant::now(), duration)
}

/// Returns the instant a duration after another one.
pub(crate) fn after(start: Instant, duration: Duration) -> Instant {
    start + duration.min(MAX_DURATION)
}

/// A timer for an instant that most often moves to later.
///
/// It is created when it is polled first, because only then a runtime is certain.
#[derive(Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Returns `Ready` once the instant has passed.
    pub(crate) fn poll(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if at < sleep.deadline() {
            sleep.as_mut().reset(at);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= at {
                return Poll::Ready(());
            }
            // Reset only now, because that costs more than a wake-up in vain every so often.
            sleep.as_mut().reset(at);
        }
    }
}
