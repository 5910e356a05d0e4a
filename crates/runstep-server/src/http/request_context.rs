//! Middleware for every request: request id, timeout, log event and metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use super::error::ApiError;
use super::state::ServerState;
use super::{console_routes, upstream_routes};
use crate::operation::Operation;

pub(super) const REQUEST_ID: &str = "x-request-id";
/// The time limit of a request whose body is passed on to the model's provider.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// The longest request id that the server accepts from a client.
const MAX_ID_LENGTH: usize = 128;

/// Handles a request within the time limit, logs it and counts it. The log has no keys and no
/// content of messages.
pub(super) async fn wrap_request(
    State(state): State<Arc<ServerState>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = client_request_id(request.headers()).or_else(|| state.new_request_id());
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let collection = path.and_then(upstream_routes::collection);
    let other = || collection.or_else(|| path.and_then(console_routes::operation));
    let operation = operation(&request).map(Operation::id).or_else(other).unwrap_or("none");
    // A long file takes its time, in which the connection has its own limits.
    let timeout = match collection {
        Some(_) => state.limits.request_timeout.max(TRANSFER_TIMEOUT),
        None => state.limits.request_timeout,
    };
    let span = tracing::info_span!(
        target: "runstep_server::http",
        "request",
        request_id = id.as_ref().and_then(|id| id.to_str().ok()),
        operation,
    );

    let respond = async {
        let response = tokio::time::timeout(timeout, next.run(request)).await;
        let response = response.unwrap_or_else(|_| ApiError::Timeout(timeout).into_response());
        let status = response.status().as_u16();
        let duration = started.elapsed();
        state.metrics.record_request(operation, status, duration);
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
    Operation::from_route(request.method(), path.as_str())
}

/// Returns the request id that a client sent, if it is safe to log.
fn client_request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    let is_safe = (1..=MAX_ID_LENGTH).contains(&id.len()) && id.as_bytes().iter().all(is_allowed);
    is_safe.then(|| id.clone())
}
