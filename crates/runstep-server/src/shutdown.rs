//! The signals of a graceful shutdown.

use tokio_util::sync::CancellationToken;

/// The two phases of a shutdown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    /// Cancelled first: the server accepts no new connections, and finishes what is in flight.
    pub(crate) draining: CancellationToken,
    /// Cancelled at the end of the grace period: runs stop and streams end.
    pub(crate) closing: CancellationToken,
}
