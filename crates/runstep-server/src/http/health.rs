//! Health checks and metrics.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::app::App;
use super::caller::Caller;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        // A draining server refuses connections, so this never has to return an error.
        .route("/readyz", get(async || "ready\n"))
        .route("/metrics", get(metrics))
}

/// Requires a key, because the metrics cover the requests of all keys.
async fn metrics(caller: Caller) -> Response {
    ([(CONTENT_TYPE, OPENMETRICS)], caller.app.metrics.encode()).into_response()
}
