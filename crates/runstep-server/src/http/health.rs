//! How the server is: for those who start it, watch it and count what it does.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
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
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Whether requests are welcome: not any more once the server is told to stop.
async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.shutdown.draining.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response()
    } else {
        "ready\n".into_response()
    }
}

/// The figures tell what goes on for all keys, and so they take one.
async fn metrics(caller: Caller) -> Response {
    ([(CONTENT_TYPE, OPENMETRICS)], caller.app.metrics.text()).into_response()
}
