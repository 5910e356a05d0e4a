//! Middleware for every request: request id, timeout, log event and metrics.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use super::app::App;
use super::error::ApiError;
use crate::operation::{Operation, from_route};

pub(super) const REQUEST_ID: &str = "x-request-id";
/// The longest request id that the server accepts from a client.
const MAX_ID_LENGTH: usize = 128;

/// Handles a request within the time limit, logs it and counts it. The log has no keys and no
/// content of messages.
pub(super) async fn layer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = client_request_id(request.headers()).or_else(|| app.new_request_id());
    let operation = operation(&request).map_or("none", Operation::id);
    let span = tracing::info_span!(
        target: "runstep_server::http",
        "request",
        request_id = id.as_ref().and_then(|id| id.to_str().ok()),
        operation,
    );

    let respond = async {
        let response = tokio::time::timeout(app.limits.request_time, next.run(request)).await;
        let response =
            response.unwrap_or_else(|_| ApiError::timeout(app.limits.request_time).into_response());
        let status = response.status().as_u16();
        let duration = started.elapsed();
        app.metrics.record_request(operation, status, duration);
        tracing::info!(
            target: "runstep_server::http",
            status,
            microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            "response"
        );
        response
    };
    let mut response = respond.instrument(span).await;
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Returns the operation that a request matches.
pub(super) fn operation(request: &Request) -> Option<Operation> {
    let path = request.extensions().get::<MatchedPath>()?;
    from_route(request.method(), path.as_str())
}

/// Returns the request id that a client sent, if it is safe to log.
fn client_request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    let is_safe = (1..=MAX_ID_LENGTH).contains(&id.len()) && id.as_bytes().iter().all(is_allowed);
    is_safe.then(|| id.clone())
}
