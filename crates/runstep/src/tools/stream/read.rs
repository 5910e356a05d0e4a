//! Reading a tool stream: event by event, as text, or to the end.

use futures_util::StreamExt as _;
use runstep_api::types::{Message, Run, RunStep, StreamEvent as RunEvent};

use super::{State, ToolStream, ToolStreamEvent};
use crate::error::{Error, ErrorKind, Result};
use crate::run_request::sealed::Sealed;
use crate::streaming::{CollectedRun, RunEventSource, RunStream, TextDeltas};

impl ToolStream {
    /// Returns the next event, or `None` once the run has ended or requires another action than
    /// outputs of functions.
    ///
    /// # Errors
    ///
    /// - An event that does not decode. The stream continues after it, and
    ///   [`has_ended`](Self::has_ended) returns `false`.
    /// - Errors that end the stream: a connection that was lost and could not be recovered, outputs
    ///   that could not be submitted, the deadline, or, with kind [`Tool`](ErrorKind::Tool), a
    ///   permanently failed call or too many rounds.
    pub async fn try_next(&mut self) -> Result<Option<ToolStreamEvent>> {
        self.next().await.transpose()
    }

    /// Returns a stream of the text deltas of messages, over all rounds. Calls run while it is polled;
    /// [`on_progress`](crate::RunRequest::on_progress) reports them. The errors are those of
    /// [`try_next`](Self::try_next).
    ///
    /// ```
    #[doc = include_str!("../../docs/setup.txt")]
    /// use runstep::tools::Toolbox;
    ///
    /// let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    /// let mut events = runs.create(&assistant.id).toolbox(&tools).stream().await?;
    /// let mut text = events.text_deltas();
    /// while let Some(piece) = text.try_next().await? {
    ///     print!("{piece}");
    /// }
    /// assert_eq!(events.run().unwrap().status, "completed");
    /// # Ok(())
    /// # }
    /// ```
    pub fn text_deltas(&mut self) -> TextDeltas<&mut Self> {
        TextDeltas::new(self)
    }

    /// Returns a stream of the text deltas that owns this stream; see
    /// [`RunStream::into_text_deltas`].
    pub fn into_text_deltas(self) -> TextDeltas<Self> {
        TextDeltas::new(self)
    }

    /// Reads to the end and returns the run. Skips events that do not decode.
    ///
    /// # Errors
    ///
    /// Returns the error that ended the stream before the run; see [`try_next`](Self::try_next).
    pub async fn final_run(&mut self) -> Result<Run> {
        let mut last_error = None;
        loop {
            match self.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => last_error = Some(error),
            }
        }
        match (self.end(), self.run(), last_error) {
            (Some(end), Some(run), _) if !end.is_error() => Ok(run.clone()),
            (.., Some(error)) => Err(error),
            (_, run, None) => Err(ended_before(run.cloned())),
        }
    }

    /// Reads to the end and returns the run with all messages and steps of every round.
    ///
    /// ```
    #[doc = include_str!("../../docs/setup.txt")]
    /// use runstep::tools::Toolbox;
    ///
    /// let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    /// let collected = runs.create(&assistant.id).toolbox(&tools).stream().await?.collect().await?;
    /// assert_eq!(collected.run.status, "completed");
    /// assert_eq!(collected.messages[0].text(), "Sunny.");
    /// assert_eq!(collected.steps.len(), 2); // the call, and the message
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`final_run`](Self::final_run).
    pub async fn collect(mut self) -> Result<CollectedRun> {
        let run = self.final_run().await?;
        match self.take_state() {
            State::Ended(events) => (*events).collect().await,
            _ => Err(ended_before(Some(run))),
        }
    }
}

/// Creates the error for a stream that has returned its final error already.
fn ended_before(run: Option<Run>) -> Error {
    let message = "an earlier error has ended the stream";
    Error::new(ErrorKind::Connection, message).with_run(run)
}

impl Sealed for ToolStream {}

impl RunEventSource for ToolStream {
    type Event = ToolStreamEvent;

    fn run_event(event: ToolStreamEvent) -> Option<RunEvent> {
        match event {
            ToolStreamEvent::Run(event) => Some(event),
            ToolStreamEvent::Tool(_) => None,
        }
    }

    async fn read_to_end(&mut self) -> Result<Run> {
        self.final_run().await
    }

    fn snapshots(&self) -> (&[Message], &[RunStep]) {
        (self.messages(), self.steps())
    }

    fn has_snapshot_gap(&self) -> bool {
        self.events().is_some_and(RunStream::has_gap)
    }
}
