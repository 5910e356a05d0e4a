//! The signals of a graceful shutdown.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The phases of a shutdown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    /// Cancelled first: the server creates no more runs. It handles all other requests, so that
    /// clients can follow the runs in progress.
    pub(crate) drain: CancellationToken,
    /// Tracks queued runs, runs in progress, and requests that create runs.
    pub(crate) active_runs: TaskTracker,
    /// Cancelled when no run is active: the server accepts no more connections, and completes the
    /// requests that are open.
    pub(crate) stop_accepting: CancellationToken,
    /// Cancelled at the end of the shutdown timeout: runs stop and streams end.
    pub(crate) stop_runs: CancellationToken,
}
