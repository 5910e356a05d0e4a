//! One leg of a stream: a reply's bytes, as events.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use runstep_api::types::StreamEvent as RunEvent;
use tokio::time::{Instant, Sleep, sleep_until};

use super::decoder::{EventBytes, EventDecoder, EventTooLong, text};
use super::text_delta::TextDeltaDecoder;
use crate::error::{Error, ErrorKind, Result, Source};
use crate::poll::after;

/// A reply's body.
pub(super) type Body = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// What a leg says.
pub(super) enum Heard {
    Event(RunEvent),
    /// An event that is none, which is no end.
    Defect(Error),
    /// The body has ended, or broke off.
    End(Option<Error>),
}

pub(super) struct Leg {
    body: Body,
    decoder: EventDecoder,
    text_deltas: TextDeltaDecoder,
    idle: Option<Idle>,
}

impl Leg {
    pub(super) fn new(body: Body, limit: usize, idle: Option<Duration>) -> Self {
        let decoder = EventDecoder::new().max_event_bytes(limit);
        Self { body, decoder, text_deltas: TextDeltaDecoder::default(), idle: idle.map(Idle::new) }
    }

    pub(super) fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// How long the server asks to wait before asking for the rest.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.decoder.retry()
    }

    pub(super) fn poll_heard(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        loop {
            if let Some(event) = self.decoder.next_bytes() {
                return Poll::Ready(decoded(event, &mut self.text_deltas));
            }
            match self.body.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.decoder.push(bytes);
                    if let Some(idle) = &mut self.idle {
                        idle.heard = true;
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Heard::End(Some(error))),
                Poll::Ready(None) => return Poll::Ready(Heard::End(None)),
                Poll::Pending => {
                    let Some(idle) = &mut self.idle else { return Poll::Pending };
                    return idle.poll(context).map(|error| Heard::End(Some(error)));
                }
            }
        }
    }
}

fn decoded(
    event: std::result::Result<EventBytes<'_>, EventTooLong>,
    text_deltas: &mut TextDeltaDecoder,
) -> Heard {
    let EventBytes { name, data } = match event {
        Ok(event) => event,
        Err(error) => return Heard::Defect(Error::new(ErrorKind::Decode, error.to_string())),
    };
    let decoded = match name {
        b"thread.message.delta" => text_deltas.decode(&data),
        _ => RunEvent::decode(&text(name), &text(&data)),
    };
    decoded.map_or_else(|error| Heard::Defect(undecoded(name, &data, error)), Heard::Event)
}

fn undecoded(name: &[u8], data: &[u8], error: serde_json::Error) -> Error {
    let message = format!("the event `{}` cannot be decoded: {error}", text(name));
    Error::new(ErrorKind::Decode, message).with_source(Source::Json(error)).with_body(data)
}

/// How long nothing has come. The timer is touched only when there is nothing to read, and set
/// anew only when it has run out: most often something has come by then.
struct Idle {
    timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    heard: bool,
    until: Instant,
}

impl Idle {
    fn new(timeout: Duration) -> Self {
        Self { timeout, timer: None, heard: true, until: Instant::now() }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        if std::mem::take(&mut self.heard) {
            self.until = after(self.timeout);
        }
        let until = self.until;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= until {
                break;
            }
            timer.as_mut().reset(until);
        }
        let message = format!("nothing came for {:?}, not even a comment", self.timeout);
        Poll::Ready(Error::new(ErrorKind::Timeout, message))
    }
}
