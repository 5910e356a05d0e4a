//! Deadlines.

use std::time::Duration;

use tokio::time::Instant;

/// Upper bound of every deadline, so that sums of times do not overflow: one year.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Returns the instant after a duration.
pub(crate) fn deadline_after(duration: Duration) -> Instant {
    Instant::now() + duration.min(MAX_DURATION)
}
