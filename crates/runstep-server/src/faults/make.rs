//! Faults, made as requests come through.

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::body::{cut_after_bytes, cut_after_events, malform_event};
use super::{Faults, Kind};
use crate::http::{ApiError, Operation};

/// Lets a request through, or not, with what the faults do to it.
pub(crate) async fn make(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let operation = request
        .extensions()
        .get::<MatchedPath>()
        .and_then(|path| Operation::at(request.method(), path.as_str()));
    let kinds = faults.take(operation);
    for kind in &kinds {
        match kind {
            Kind::Delay(wait) => tokio::time::sleep(*wait).await,
            Kind::RateLimit(retry_after) => {
                return ApiError::rate_limited("the server was told to say so", *retry_after)
                    .into_response();
            }
            Kind::ServerError => {
                let message = "The server was told to fail.".to_owned();
                return ApiError::internal(message).into_response();
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
    let kind_of_body = response.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_vec());
    let is_stream = kind_of_body.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
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
            // Replies of this server, which are as long as it makes them.
            let mut bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
            bytes.truncate(bytes.len().saturating_sub(1));
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(bytes))
        }
        _ => response,
    }
}
