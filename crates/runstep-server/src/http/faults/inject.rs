//! Middleware that injects the faults.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::body::{cut_after_bytes, cut_after_events, malform_event};
use super::fault::{Faults, Kind};
use crate::http::error::ApiError;
use crate::http::request_context::operation;

/// Handles a request with the faults that apply to it.
pub(in crate::http) async fn inject(
    State(faults): State<Faults>,
    request: Request,
    next: Next,
) -> Response {
    let kinds = faults.take(operation(&request));
    for kind in &kinds {
        match kind {
            Kind::Delay(delay) => tokio::time::sleep(*delay).await,
            Kind::RateLimit(retry_after) => {
                return ApiError::rate_limited("a fault was injected", *retry_after)
                    .into_response();
            }
            Kind::ServerError => {
                return ApiError::internal("A fault was injected.".to_owned()).into_response();
            }
            _ => {}
        }
    }
    let mut response = next.run(request).await;
    for kind in kinds {
        response = change(response, kind).await;
    }
    response
}

async fn change(response: Response, kind: Kind) -> Response {
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_stream =
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    match kind {
        Kind::CutAfterBytes(count) => response.map(|body| cut_after_bytes(body, count)),
        Kind::CutAfterEvents(count) if is_stream => {
            response.map(|body| cut_after_events(body, count))
        }
        Kind::MalformedEvent(number) if is_stream => {
            response.map(|body| malform_event(body, number))
        }
        Kind::MalformedJson if !is_stream => {
            let (mut parts, body) = response.into_parts();
            // The server's own responses need no limit.
            let mut bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
            bytes.truncate(bytes.len().saturating_sub(1));
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(bytes))
        }
        _ => response,
    }
}
