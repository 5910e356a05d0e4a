//! The signals of a graceful shutdown.

use tokio_util::sync::CancellationToken;

/// The two phases of a shutdown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    /// Cancelled first: the server accepts no new connections, and completes the requests and
    /// streams that are open.
    pub(crate) stop_accepting: CancellationToken,
    /// Cancelled at the end of the shutdown timeout: runs stop and streams end.
    pub(crate) stop_runs: CancellationToken,
}
