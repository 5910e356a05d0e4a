//! The text of a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt as _;
use runstep_api::types::{
    Message, MessageContentDelta, MessageDelta, Run, RunStep, StreamEvent as RunEvent,
};

use super::run_stream::RunStream;
use crate::error::Result;
use crate::run_request::sealed::Sealed;

/// A stream of text deltas; see [`RunStream::text_deltas`] and
/// [`ToolStream::text_deltas`](crate::tools::ToolStream::text_deltas).
///
/// `S` is the stream of events, or a mutable reference to it.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct TextDeltas<S = RunStream>(S);

/// A stream that yields the events of a run, possibly among others: [`RunStream`] and
/// [`ToolStream`](crate::tools::ToolStream).
///
/// The trait is sealed.
pub trait RunEventSource: Sealed + Stream<Item = Result<Self::Event>> + Send + Unpin {
    /// The type of the events.
    type Event;

    /// Returns the run event within an event, if it is one.
    fn run_event(event: Self::Event) -> Option<RunEvent>;

    #[doc(hidden)]
    fn read_to_end(&mut self) -> impl Future<Output = Result<Run>> + Send;

    #[doc(hidden)]
    fn snapshots(&self) -> (&[Message], &[RunStep]);

    #[doc(hidden)]
    fn has_snapshot_gap(&self) -> bool;
}

impl Sealed for RunStream {}

impl<S: Sealed> Sealed for &mut S {}

impl RunEventSource for RunStream {
    type Event = RunEvent;

    fn run_event(event: RunEvent) -> Option<RunEvent> {
        Some(event)
    }

    async fn read_to_end(&mut self) -> Result<Run> {
        self.final_run().await
    }

    fn snapshots(&self) -> (&[Message], &[RunStep]) {
        (self.messages(), self.steps())
    }

    fn has_snapshot_gap(&self) -> bool {
        self.has_gap()
    }
}

impl RunStream {
    /// Returns a stream of the text deltas of messages. The errors are those of
    /// [`try_next`](Self::try_next).
    pub fn text_deltas(&mut self) -> TextDeltas<&mut Self> {
        TextDeltas::new(self)
    }

    /// Returns a stream of the text deltas of messages that owns this stream, for example to return it
    /// from a function. [`TextDeltas::into_events`] returns this stream again.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use futures_util::{Stream, TryStreamExt as _};
    ///
    /// async fn answer(run: runstep::CreateRun) -> runstep::Result<impl Stream<Item = runstep::Result<String>>> {
    ///     Ok(run.stream().await?.into_text_deltas())
    /// }
    ///
    /// let mut text = std::pin::pin!(answer(runs.create(&assistant.id)).await?);
    /// while let Some(piece) = text.try_next().await? {
    ///     print!("{piece}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_text_deltas(self) -> TextDeltas<Self> {
        TextDeltas::new(self)
    }
}

impl<S> TextDeltas<S> {
    pub(crate) fn new(events: S) -> Self {
        Self(events)
    }

    /// Returns the stream of events, for example to read the state of the run.
    pub fn events(&self) -> &S {
        &self.0
    }

    /// Returns the stream of events, from the event after the last text delta.
    pub fn into_events(self) -> S {
        self.0
    }
}

/// The streams by reference.
impl<S: RunEventSource> RunEventSource for &mut S {
    type Event = S::Event;

    fn run_event(event: S::Event) -> Option<RunEvent> {
        S::run_event(event)
    }

    async fn read_to_end(&mut self) -> Result<Run> {
        (**self).read_to_end().await
    }

    fn snapshots(&self) -> (&[Message], &[RunStep]) {
        (**self).snapshots()
    }

    fn has_snapshot_gap(&self) -> bool {
        (**self).has_snapshot_gap()
    }
}

impl<S: RunEventSource> TextDeltas<S> {
    /// Returns the next text delta, or `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// Returns the errors of the stream's `try_next`.
    pub async fn try_next(&mut self) -> Result<Option<String>> {
        self.next().await.transpose()
    }
}

impl<S: RunEventSource> Stream for TextDeltas<S> {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_next(context)) {
                Some(Ok(event)) => {
                    let text = match S::run_event(event) {
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

/// Returns the text of a message delta, if it has any.
fn into_text(delta: MessageDelta) -> Option<String> {
    let parts = delta.delta.content.into_iter().flatten().filter_map(|part| match part {
        MessageContentDelta::Text(part) => part.text.and_then(|text| text.value),
        _ => None,
    });
    parts.reduce(|text, more| text + &more).filter(|text| !text.is_empty())
}
