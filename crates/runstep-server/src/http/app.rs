//! The state that all handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use tokio::sync::Semaphore;

use super::access::Access;
use crate::ids::Ids;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::schema::Schemas;
use crate::shutdown::Shutdown;

/// The state that all handlers share.
pub(crate) struct App {
    pub(super) access: Access,
    pub(super) schemas: &'static Schemas,
    pub(super) limits: Limits,
    pub(super) poll_after: Duration,
    pub(super) shutdown: Shutdown,
    pub(super) metrics: Arc<Metrics>,
    /// One permit for each event stream that can be open.
    pub(super) stream_permits: Arc<Semaphore>,
    ids: Ids,
}

impl App {
    pub(crate) fn new(
        access: Access,
        schemas: &'static Schemas,
        limits: Limits,
        poll_after: Duration,
        shutdown: Shutdown,
        metrics: Arc<Metrics>,
    ) -> Self {
        let permits = limits.open_streams.min(Semaphore::MAX_PERMITS);
        let stream_permits = Arc::new(Semaphore::new(permits));
        let ids = Ids::default();
        Self { access, schemas, limits, poll_after, shutdown, metrics, stream_permits, ids }
    }

    pub(super) fn new_request_id(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.ids.next("req")).ok()
    }
}
