//! The state that all handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use tokio::sync::Semaphore;
use tokio_util::sync::DropGuard;

use super::access::Access;
use crate::ids::Ids;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::schema::Schemas;
use crate::shutdown::Shutdown;

/// The state that all handlers share.
pub(crate) struct ServerState {
    pub(super) access: Access,
    pub(super) schemas: &'static Schemas,
    pub(super) limits: Limits,
    pub(super) poll_after: Duration,
    pub(super) shutdown: Shutdown,
    pub(super) metrics: Arc<Metrics>,
    /// One permit for each event stream that can be open.
    pub(super) stream_permits: Arc<Semaphore>,
    ids: Ids,
    /// Stops all runs and background tasks when the last handler is gone.
    _stop_runs: DropGuard,
}

impl ServerState {
    pub(crate) fn new(
        access: Access,
        schemas: &'static Schemas,
        limits: Limits,
        poll_after: Duration,
        shutdown: Shutdown,
        metrics: Arc<Metrics>,
    ) -> Self {
        let permits = limits.max_open_streams.min(Semaphore::MAX_PERMITS);
        let stream_permits = Arc::new(Semaphore::new(permits));
        let _stop_runs = shutdown.stop_runs.clone().drop_guard();
        Self {
            access,
            schemas,
            limits,
            poll_after,
            shutdown,
            metrics,
            stream_permits,
            ids: Ids::default(),
            _stop_runs,
        }
    }

    pub(super) fn new_request_id(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.ids.next("req")).ok()
    }
}
