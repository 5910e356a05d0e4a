//! Health checks and metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::error::ApiError;
use super::state::ServerState;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Fails once the server creates no more runs, and while its data cannot be written.
async fn ready(State(state): State<Arc<ServerState>>) -> Result<&'static str, ApiError> {
    if state.is_draining() {
        return Err(ApiError::ShuttingDown);
    }
    state.access.any_engine().check_health()?;
    Ok("ready\n")
}

/// Requires a key, because the metrics cover the requests of all keys.
async fn metrics(
    State(state): State<Arc<ServerState>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    state.access.engine(&headers)?.refresh_metrics().await;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], state.metrics.encode()).into_response())
}
