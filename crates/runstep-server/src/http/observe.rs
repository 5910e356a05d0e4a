//! What every request has: a name, a time limit, a line in the log, and a place in the figures.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use super::App;
use super::error::ApiError;
use super::operation::Operation;

pub(super) const REQUEST_ID: &str = "x-request-id";
/// The longest name of a request that is taken from its client.
const LONGEST_ID: usize = 128;

/// Lets a request through, and tells of it. Keys and what people write are told nowhere.
pub(super) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = given_id(request.headers()).or_else(|| app.new_request_id());
    let operation = request
        .extensions()
        .get::<MatchedPath>()
        .and_then(|path| Operation::at(request.method(), path.as_str()));
    let name = operation.map_or("none", Operation::name);
    let span = tracing::info_span!(
        target: "runstep_server::http",
        "request",
        request_id = id.as_ref().and_then(|id| id.to_str().ok()),
        operation = name,
    );

    let replied = async {
        let reply = tokio::time::timeout(app.limits.request_time, next.run(request)).await;
        let response =
            reply.unwrap_or_else(|_| ApiError::too_slow(app.limits.request_time).into_response());
        let status = response.status().as_u16();
        let took = started.elapsed();
        app.metrics.replied(name, status, took);
        tracing::info!(
            target: "runstep_server::http",
            status,
            microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "replied"
        );
        response
    };
    let mut response = replied.instrument(span).await;
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The name that a client gave its request, if it is one that can stand in logs.
fn given_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    let sane = (1..=LONGEST_ID).contains(&id.len()) && id.as_bytes().iter().all(allowed);
    sane.then(|| id.clone())
}
