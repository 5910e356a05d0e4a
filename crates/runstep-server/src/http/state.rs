//! The state that all handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderValue;
use tokio::sync::Semaphore;
use tokio_util::sync::DropGuard;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::access::Access;
use super::body::BodyBudget;
use super::error::ApiError;
use super::server_info::ServerInfo;
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
    /// Whether requests need the header `OpenAI-Beta: assistants=v2`.
    pub(super) requires_beta_header: bool,
    pub(super) shutdown: Shutdown,
    pub(super) metrics: Arc<Metrics>,
    /// One permit for each event stream that can be open.
    pub(super) stream_permits: Arc<Semaphore>,
    pub(super) body_budget: BodyBudget,
    /// What `GET /server` returns, as JSON.
    pub(super) info: Bytes,
    ids: Ids,
    /// Stops all runs and background tasks when the last handler is gone.
    _stop_runs: DropGuard,
}

/// How requests are served.
pub(crate) struct RequestSettings {
    pub(crate) limits: Limits,
    /// When clients poll a run again.
    pub(crate) poll_after: Duration,
    pub(crate) requires_beta_header: bool,
}

impl ServerState {
    pub(crate) fn new(
        access: Access,
        schemas: &'static Schemas,
        RequestSettings { limits, poll_after, requires_beta_header }: RequestSettings,
        shutdown: Shutdown,
        metrics: Arc<Metrics>,
        info: ServerInfo,
    ) -> Self {
        let permits = limits.max_open_streams.min(Semaphore::MAX_PERMITS);
        let stream_permits = Arc::new(Semaphore::new(permits));
        let _stop_runs = shutdown.stop_runs.clone().drop_guard();
        Self {
            access,
            schemas,
            body_budget: BodyBudget::new(&limits),
            limits,
            poll_after,
            requires_beta_header,
            shutdown,
            metrics,
            // Serializing the server's own objects cannot fail.
            info: serde_json::to_vec(&info).unwrap_or_default().into(),
            stream_permits,
            ids: Ids::default(),
            _stop_runs,
        }
    }

    /// Returns a token that delays a shutdown, to hold while a run is created.
    pub(super) fn begin_run(&self) -> Result<TaskTrackerToken, ApiError> {
        // The order matters: a shutdown drains first, and then waits for all tokens.
        let token = self.shutdown.active_runs.token();
        if self.is_draining() { Err(ApiError::ShuttingDown) } else { Ok(token) }
    }

    /// Returns whether the server is shutting down.
    pub(super) fn is_draining(&self) -> bool {
        self.shutdown.drain.is_cancelled()
    }

    pub(super) fn new_request_id(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.ids.next("req")).ok()
    }
}
