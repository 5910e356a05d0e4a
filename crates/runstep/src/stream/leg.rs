//! One leg of a stream: a reply's bytes, as events.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use runstep_api::types::StreamEvent as RunEvent;
use tokio::time::{Sleep, sleep_until};

use super::decoder::{EventDecoder, EventTooLong, ServerSentEvent};
use super::text_delta;
use crate::error::{Error, ErrorKind, Result, Source};
use crate::poll::after;

/// A reply's body.
pub(super) type Body = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// What a leg says.
#[allow(clippy::large_enum_variant, reason = "most often it is the large one")]
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
    idle: Option<Idle>,
}

impl Leg {
    pub(super) fn new(body: Body, limit: usize, idle: Option<Duration>) -> Self {
        let decoder = EventDecoder::new().max_event_bytes(limit);
        Self { body, decoder, idle: idle.map(Idle::new) }
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
            if let Some(event) = self.decoder.next_event() {
                return Poll::Ready(decoded(event));
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

fn decoded(event: std::result::Result<ServerSentEvent<'_>, EventTooLong>) -> Heard {
    let event = match event {
        Ok(event) => event,
        Err(error) => return Heard::Defect(Error::new(ErrorKind::Decode, error.to_string())),
    };
    if event.name == "thread.message.delta"
        && let Some(delta) = text_delta::read(&event.data)
    {
        return Heard::Event(RunEvent::MessageDelta(delta));
    }
    match RunEvent::decode(&event.name, &event.data) {
        Ok(decoded) => Heard::Event(decoded),
        Err(error) => {
            let message = format!("the event `{}` cannot be decoded: {error}", event.name);
            Heard::Defect(
                Error::new(ErrorKind::Decode, message)
                    .with_source(Source::Json(error))
                    .with_body(event.data.as_bytes()),
            )
        }
    }
}

/// How long nothing has come. The timer is touched only when there is nothing to read.
struct Idle {
    timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    heard: bool,
}

impl Idle {
    fn new(timeout: Duration) -> Self {
        Self { timeout, timer: None, heard: false }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        let timeout = self.timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(after(timeout))));
        if std::mem::take(&mut self.heard) {
            timer.as_mut().reset(after(timeout));
        }
        ready!(timer.as_mut().poll(context));
        let message = format!("nothing came for {timeout:?}, not even a comment");
        Poll::Ready(Error::new(ErrorKind::Timeout, message))
    }
}
