//! Responses that are event streams.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_LOCATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use futures_util::{Stream, stream};
use runstep_api::Field;
use runstep_api::types::{ErrorObject, StreamEvent};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::error::ApiError;
use super::state::ServerState;
use crate::events::{Received, Subscriber, encode};
use crate::metrics::GaugeGuard;

/// After this time without events a comment keeps the connection alive.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);
/// Without a blank line after it: clients that remember the last `id:` would take that for an event
/// without data.
const COMMENT: Bytes = Bytes::from_static(b":\n");
const LAST_EVENT_ID: &str = "last-event-id";

/// The permit of an open stream.
pub(super) struct StreamPermit {
    _permit: OwnedSemaphorePermit,
    _gauge: GaugeGuard,
}

impl ServerState {
    /// Acquires a permit if the request is for a stream.
    pub(super) fn stream_permit_if(
        &self,
        stream: &Field<bool>,
    ) -> Result<Option<StreamPermit>, ApiError> {
        if *stream == Field::Value(true) { self.stream_permit().map(Some) } else { Ok(None) }
    }

    pub(super) fn stream_permit(&self) -> Result<StreamPermit, ApiError> {
        let permit = Arc::clone(&self.stream_permits)
            .try_acquire_owned()
            .map_err(|_| ApiError::too_many_streams(self.limits.max_open_streams))?;
        Ok(StreamPermit { _permit: permit, _gauge: GaugeGuard::new(&self.metrics.open_streams) })
    }

    /// Streams the events of the run at this path.
    pub(super) fn event_stream(
        &self,
        subscriber: Subscriber,
        permit: StreamPermit,
        path: &str,
    ) -> Response {
        let events = events(subscriber, self.shutdown.stop_runs.child_token(), permit);
        let mut response = Response::new(Body::from_stream(events));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // Without it nginx buffers the stream to its end.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        // Identifies the run even if the stream breaks before its first event.
        if let Ok(path) = HeaderValue::try_from(path) {
            headers.insert(CONTENT_LOCATION, path);
        }
        response
    }
}

/// Returns the number of the last event that a client received, if the request resumes a stream.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let has_event_stream = |types: &str| {
        let mut types = types.split(',').map(|range| range.split(';').next().unwrap_or_default());
        types.any(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
    };
    if !accepts.into_iter().any(has_event_stream) {
        return None;
    }
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

/// Streams events up to `done`. A stream that ends early has an `error` event, so that clients do
/// not take it for a complete one.
fn events(
    subscriber: Subscriber,
    stop_runs: CancellationToken,
    permit: StreamPermit,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(Some((subscriber, stop_runs, permit)), async |open| {
        let (mut subscriber, stop_runs, permit) = open?;
        let received = tokio::select! {
            biased;
            received = subscriber.receive() => received,
            () = stop_runs.cancelled() => {
                return Some((Ok(error_events("The server is shutting down.")), None));
            }
            () = tokio::time::sleep(COMMENT_INTERVAL) => Received::Events(COMMENT),
        };
        Some(match received {
            Received::Events(bytes) => (Ok(bytes), Some((subscriber, stop_runs, permit))),
            Received::End(bytes) => (Ok(bytes), None),
            Received::Lagged => {
                let message = "The stream ended because its events were not read in time.";
                (Ok(error_events(message)), None)
            }
        })
    })
}

fn error_events(message: &str) -> Bytes {
    let mut error = ErrorObject::new(message);
    error.type_ = Some("server_error".to_owned());
    let events =
        [StreamEvent::Error(error), StreamEvent::Done].map(|event| encode(None, &event.into()));
    events.concat().into()
}
