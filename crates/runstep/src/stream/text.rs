//! The text of a stream alone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt as _;
use runstep_api::types::{
    Message, MessageContentDelta, MessageDelta, Run, RunStep, StreamEvent as RunEvent,
};

use super::RunStream;
use crate::error::Result;

/// The text of messages, piece by piece; see [`RunStream::text_deltas`] and
/// [`ToolStream::text_deltas`](crate::tools::ToolStream::text_deltas).
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct TextDeltas<'a, S = RunStream>(&'a mut S);

/// A stream that tells events of a run, maybe among others.
pub(crate) trait TellsRun: Stream<Item = Result<Self::Event>> + Send + Unpin {
    type Event;

    /// The event of the run, if it is one.
    fn of_run(event: Self::Event) -> Option<RunEvent>;

    /// Reads on to the end.
    fn read_on(&mut self) -> impl Future<Output = Result<Run>> + Send;

    /// The messages and the steps, as far as they have been told.
    fn told(&self) -> (&[Message], &[RunStep]);

    /// Whether something came that could not be taken, and was not made up for.
    fn lacks_something(&self) -> bool;
}

impl TellsRun for RunStream {
    type Event = RunEvent;

    fn of_run(event: RunEvent) -> Option<RunEvent> {
        Some(event)
    }

    async fn read_on(&mut self) -> Result<Run> {
        self.final_run().await
    }

    fn told(&self) -> (&[Message], &[RunStep]) {
        (self.messages(), self.steps())
    }

    fn lacks_something(&self) -> bool {
        self.has_gap()
    }
}

impl<'a, S> TextDeltas<'a, S> {
    pub(crate) fn new(stream: &'a mut S) -> Self {
        Self(stream)
    }
}

#[allow(private_bounds, reason = "which streams tell runs is not for others to say")]
impl<S: TellsRun> TextDeltas<'_, S> {
    /// The next piece of text; none when the stream has ended.
    ///
    /// # Errors
    ///
    /// As with the stream's own `try_next`.
    pub async fn try_next(&mut self) -> Result<Option<String>> {
        self.next().await.transpose()
    }
}

impl<S: TellsRun> Stream for TextDeltas<'_, S> {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut *self.0).poll_next(context)) {
                Some(Ok(event)) => {
                    let text = match S::of_run(event) {
                        Some(RunEvent::MessageDelta(delta)) => into_text(delta),
                        _ => None,
                    };
                    if let Some(text) = text {
                        return Poll::Ready(Some(Ok(text)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// The text of a piece, if it has any.
fn into_text(delta: MessageDelta) -> Option<String> {
    let parts = delta.delta.content.into_iter().flatten().filter_map(|part| match part {
        MessageContentDelta::Text(part) => part.text.and_then(|text| text.value),
        _ => None,
    });
    parts.reduce(|text, more| text + &more).filter(|text| !text.is_empty())
}
