//! One connection of a stream: the body of a response, decoded to run events.

#[cfg(feature = "test-util")]
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use runstep_api::types::StreamEvent as RunEvent;
use sync_wrapper::SyncWrapper;
use tokio::time::Instant;

use super::event_ids::EventIds;
use super::sse::{EventDecoder, EventTooLong, ServerSentEvent, decode_utf8};
use super::text_delta_decoder::TextDeltaDecoder;
use crate::error::{Error, ErrorKind, Result, Source};
use crate::time::after;

/// The body of a response.
pub(super) type Body = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// An item of a connection.
pub(super) enum ConnectionItem {
    Event(RunEvent),
    /// A malformed event. The stream continues after it.
    Malformed(Error),
    /// The end of the body, or the error that interrupted it.
    Closed(Option<Error>),
}

/// Reads the events of one response.
pub(super) struct EventConnection {
    body: SyncWrapper<Body>,
    decoder: EventDecoder,
    text_deltas: TextDeltaDecoder,
    idle: Option<IdleTimeout>,
    /// Events that are read before the body, without decoding.
    #[cfg(feature = "test-util")]
    recorded: VecDeque<RunEvent>,
}

impl EventConnection {
    pub(super) fn new(body: Body, max_event_bytes: usize, idle_timeout: Option<Duration>) -> Self {
        Self {
            body: SyncWrapper::new(body),
            decoder: EventDecoder::new(max_event_bytes),
            text_deltas: TextDeltaDecoder::default(),
            idle: idle_timeout.map(IdleTimeout::new),
            #[cfg(feature = "test-util")]
            recorded: VecDeque::new(),
        }
    }

    /// Adds events that are read before the body.
    #[cfg(feature = "test-util")]
    pub(super) fn record(&mut self, events: impl IntoIterator<Item = RunEvent>) {
        self.recorded.extend(events);
    }

    pub(super) fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// Returns the reconnection delay that the server requested, if any.
    pub(super) fn retry_delay(&self) -> Option<Duration> {
        self.decoder.retry()
    }

    /// Returns when the idle timeout ends, if nothing arrives until then. `None` without a timeout.
    pub(super) fn idle_at(&mut self, now: Instant) -> Option<Instant> {
        let idle = self.idle.as_mut()?;
        if std::mem::take(&mut idle.has_received) {
            idle.at = after(now, idle.timeout);
        }
        Some(idle.at)
    }

    /// Returns the end of a connection whose idle timeout has passed.
    pub(super) fn idle_error(&self) -> ConnectionItem {
        let timeout = self.idle.as_ref().map_or(Duration::ZERO, |idle| idle.timeout);
        let message = format!("no data was received for {timeout:?}");
        ConnectionItem::Closed(Some(Error::new(ErrorKind::Timeout, message)))
    }

    /// Reads the next item, without events that are duplicates according to their ids. The caller
    /// observes the idle timeout.
    pub(super) fn poll_item(
        &mut self,
        ids: &mut EventIds,
        context: &mut Context<'_>,
    ) -> Poll<ConnectionItem> {
        #[cfg(feature = "test-util")]
        if let Some(event) = self.recorded.pop_front() {
            return Poll::Ready(ConnectionItem::Event(event));
        }
        loop {
            // Fast path: most events are text deltas, which repeat their predecessor.
            if let Some(delta) = self.text_deltas.decode_repeated(self.decoder.unread()) {
                self.decoder.skip_decoded(delta.length, delta.id.clone());
                let last_id = self.decoder.last_event_id();
                if ids.is_duplicate(own_id(delta.id.is_some(), last_id), last_id) {
                    continue;
                }
                return Poll::Ready(ConnectionItem::Event(delta.into_event()));
            }
            if let Some(event) = self.decoder.next_event() {
                let is_duplicate = match &event {
                    Ok(event) => {
                        ids.is_duplicate(own_id(event.has_id, event.last_id), event.last_id)
                    }
                    // The id of a skipped event is unknown.
                    Err(_) => ids.is_duplicate(None, ""),
                };
                if is_duplicate {
                    continue;
                }
                return Poll::Ready(decode_event(event, &mut self.text_deltas));
            }
            match self.body.get_mut().as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.decoder.push(bytes);
                    if let Some(idle) = &mut self.idle {
                        idle.has_received = true;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(ConnectionItem::Closed(Some(error)));
                }
                Poll::Ready(None) => return Poll::Ready(ConnectionItem::Closed(None)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Returns the id of the event itself. An event with an empty id counts as one without an id.
fn own_id(has_id: bool, last_id: &str) -> Option<&str> {
    (has_id && !last_id.is_empty()).then_some(last_id)
}

fn decode_event(
    event: std::result::Result<ServerSentEvent<'_>, EventTooLong>,
    text_deltas: &mut TextDeltaDecoder,
) -> ConnectionItem {
    let event = match event {
        Ok(event) => event,
        Err(error) => {
            return ConnectionItem::Malformed(Error::new(ErrorKind::Decode, error.to_string()));
        }
    };
    let ServerSentEvent { name, data, .. } = &event;
    let decoded = match *name {
        b"thread.message.delta" => text_deltas.decode(data, event.lines),
        b"error" => decode_error_event(data),
        _ => RunEvent::decode(&decode_utf8(name), &decode_utf8(data)),
    };
    match decoded {
        Ok(event) => ConnectionItem::Event(event),
        Err(error) => ConnectionItem::Malformed(malformed(name, data, error)),
    }
}

/// Decodes an `error` event: an error object, or one nested in the property `error` as in the body of an
/// error response.
fn decode_error_event(data: &[u8]) -> serde_json::Result<RunEvent> {
    let decoded = RunEvent::decode("error", &decode_utf8(data));
    match decoded {
        Ok(RunEvent::Error(error)) if !error.message.is_empty() => Ok(RunEvent::Error(error)),
        decoded => Error::parse_event(data).map_or(decoded, |error| Ok(RunEvent::Error(error))),
    }
}

fn malformed(name: &[u8], data: &[u8], error: serde_json::Error) -> Error {
    let message = format!("the event `{}` cannot be decoded: {error}", decode_utf8(name));
    Error::new(ErrorKind::Decode, message).with_source(Source::Json(error)).with_body(data)
}

/// Detects an idle connection.
struct IdleTimeout {
    timeout: Duration,
    /// Whether bytes have arrived since `at` was computed.
    has_received: bool,
    at: Instant,
}

impl IdleTimeout {
    fn new(timeout: Duration) -> Self {
        Self { timeout, has_received: true, at: Instant::now() }
    }
}
