//! One connection of a stream: the body of a response, decoded to run events.

#[cfg(feature = "test-util")]
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use runstep_api::types::StreamEvent as RunEvent;
use sync_wrapper::SyncWrapper;
use tokio::time::{Instant, Sleep, sleep_until};

use super::sse::{EventDecoder, EventTooLong, ServerSentEvent, decode_utf8};
use super::text_delta_decoder::TextDeltaDecoder;
use crate::error::{Error, ErrorKind, Result, Source};
use crate::time::deadline_after;

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
    idle_timer: Option<IdleTimer>,
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
            idle_timer: idle_timeout.map(IdleTimer::new),
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

    pub(super) fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<ConnectionItem> {
        #[cfg(feature = "test-util")]
        if let Some(event) = self.recorded.pop_front() {
            return Poll::Ready(ConnectionItem::Event(event));
        }
        loop {
            if let Some(event) = self.decoder.next_event() {
                return Poll::Ready(decode_event(event, &mut self.text_deltas));
            }
            match self.body.get_mut().as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.decoder.push(bytes);
                    if let Some(timer) = &mut self.idle_timer {
                        timer.has_received = true;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(ConnectionItem::Closed(Some(error)));
                }
                Poll::Ready(None) => return Poll::Ready(ConnectionItem::Closed(None)),
                Poll::Pending => {
                    let Some(timer) = &mut self.idle_timer else { return Poll::Pending };
                    return timer.poll(context).map(|error| ConnectionItem::Closed(Some(error)));
                }
            }
        }
    }
}

fn decode_event(
    event: std::result::Result<ServerSentEvent<'_>, EventTooLong>,
    text_deltas: &mut TextDeltaDecoder,
) -> ConnectionItem {
    let ServerSentEvent { name, data } = match event {
        Ok(event) => event,
        Err(error) => {
            return ConnectionItem::Malformed(Error::new(ErrorKind::Decode, error.to_string()));
        }
    };
    let decoded = match name {
        b"thread.message.delta" => text_deltas.decode(&data),
        _ => RunEvent::decode(&decode_utf8(name), &decode_utf8(&data)),
    };
    match decoded {
        Ok(event) => ConnectionItem::Event(event),
        Err(error) => ConnectionItem::Malformed(malformed(name, &data, error)),
    }
}

fn malformed(name: &[u8], data: &[u8], error: serde_json::Error) -> Error {
    let message = format!("the event `{}` cannot be decoded: {error}", decode_utf8(name));
    Error::new(ErrorKind::Decode, message).with_source(Source::Json(error)).with_body(data)
}

/// Detects an idle connection. The timer is polled only if there is nothing to read, and reset only
/// after it has fired, because most of the time bytes have arrived by then.
struct IdleTimer {
    timeout: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    has_received: bool,
    deadline: Instant,
}

impl IdleTimer {
    fn new(timeout: Duration) -> Self {
        Self { timeout, sleep: None, has_received: true, deadline: Instant::now() }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        if std::mem::take(&mut self.has_received) {
            self.deadline = deadline_after(self.timeout);
        }
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= deadline {
                break;
            }
            sleep.as_mut().reset(deadline);
        }
        let message = format!("no data was received for {:?}", self.timeout);
        Poll::Ready(Error::new(ErrorKind::Timeout, message))
    }
}
