//! Health checks and metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::app::App;
use super::error::ApiError;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        // A draining server refuses connections, so this never has to return an error.
        .route("/readyz", get(async || "ready\n"))
        .route("/metrics", get(metrics))
}

/// Requires a key, because the metrics cover the requests of all keys.
async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    app.access.engine(&headers)?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], app.metrics.encode()).into_response())
}
