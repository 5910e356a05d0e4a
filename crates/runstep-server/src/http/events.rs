//! Replies that are streams of events.

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

use super::App;
use super::error::ApiError;
use crate::events::{Heard, Listener, unnumbered};
use crate::metrics::Counted;

/// A comment goes out when no event has for this long, so that nobody takes the line for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// No blank line after it: clients that remember the last `id:` would take that for an event without
/// data.
const COMMENT: Bytes = Bytes::from_static(b":\n");
const LAST_EVENT_ID: &str = "last-event-id";

/// A place among the open streams.
pub(super) struct StreamPlace {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl App {
    /// A place for a stream, if a request asks for one.
    pub(super) fn place(&self, stream: &Field<bool>) -> Result<Option<StreamPlace>, ApiError> {
        if *stream == Field::Value(true) { self.stream_place().map(Some) } else { Ok(None) }
    }

    /// A place for a stream, if there is one left.
    pub(super) fn stream_place(&self) -> Result<StreamPlace, ApiError> {
        let permit = Arc::clone(&self.streams)
            .try_acquire_owned()
            .map_err(|_| ApiError::too_many_streams(self.limits.open_streams))?;
        Ok(StreamPlace { _permit: permit, _counted: Counted::by(&self.metrics.streams) })
    }

    /// What a listener hears of the run at a path, as it comes.
    pub(super) fn events(&self, listener: Listener, place: StreamPlace, path: &str) -> Response {
        let told = told(listener, self.shutdown.closing.child_token(), place);
        let mut response = Response::new(Body::from_stream(told));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // Some proxies would wait for the end.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        // Whoever is cut off before the first event knows of which run the stream was.
        if let Ok(path) = HeaderValue::try_from(path) {
            headers.insert(CONTENT_LOCATION, path);
        }
        response
    }
}

/// The number of the event after which somebody wants to listen again.
pub(super) fn resumed_after(headers: &HeaderMap) -> Option<u64> {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let streams = |kinds: &str| {
        let mut kinds = kinds.split(',').map(|kind| kind.split(';').next().unwrap_or_default());
        kinds.any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
    };
    if !accepted.into_iter().any(streams) {
        return None;
    }
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

/// Events up to `done`. A stream that breaks off before says so, lest it be taken for a complete
/// one.
fn told(
    listener: Listener,
    closing: CancellationToken,
    place: StreamPlace,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(Some((listener, closing, place)), async |open| {
        let (mut listener, closing, place) = open?;
        let heard = tokio::select! {
            biased;
            heard = listener.hear() => heard,
            () = closing.cancelled() => {
                return Some((Ok(broken_off("The server is shutting down.")), None));
            }
            () = tokio::time::sleep(HEARTBEAT) => Heard::Events(COMMENT),
        };
        Some(match heard {
            Heard::Events(bytes) => (Ok(bytes), Some((listener, closing, place))),
            Heard::End(bytes) => (Ok(bytes), None),
            Heard::FellBehind => {
                let message = "The stream broke off, because its events were not read in time.";
                (Ok(broken_off(message)), None)
            }
        })
    })
}

fn broken_off(message: &str) -> Bytes {
    let mut error = ErrorObject::new(message);
    error.type_ = Some("server_error".to_owned());
    let events = [unnumbered(&StreamEvent::Error(error)), unnumbered(&StreamEvent::Done)];
    events.concat().into()
}
