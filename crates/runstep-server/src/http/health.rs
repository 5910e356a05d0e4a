//! How the server is: for those who start it, watch it and count what it does.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;
use super::access::Caller;

/// What Prometheus reads.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        // Once the server is told to stop it takes no connections, which tells as much.
        .route("/readyz", get(async || "ready\n"))
        .route("/metrics", get(metrics))
}

/// The figures tell what goes on for all keys, and so they take one.
async fn metrics(caller: Caller) -> Response {
    ([(CONTENT_TYPE, OPENMETRICS)], caller.app.metrics.text()).into_response()
}
