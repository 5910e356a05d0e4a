//! Reading on: event by event, the text alone, or to the end.

use futures_util::StreamExt as _;
use runstep_api::types::{Message, Run, RunStep};

use super::{State, ToolStream, ToolStreamEvent};
use crate::error::{Error, ErrorKind, Result};
use crate::request::example;
use crate::stream::TellsRun;
use crate::{CollectedRun, RunEvent, RunStream, RunStreamEnd, TextDeltas};

impl ToolStream {
    /// The next event; none when the run has ended, or waits for something else than the outputs of
    /// functions.
    ///
    /// # Errors
    ///
    /// - An event that does not decode. The stream goes on after it, and
    ///   [`has_ended`](Self::has_ended) is false.
    /// - What ends the stream: a cut that could not be made up for, outputs that could not be
    ///   submitted, the deadline, or, with the kind [`Tool`](ErrorKind::Tool), a call that failed
    ///   for good or too many rounds.
    pub async fn try_next(&mut self) -> Result<Option<ToolStreamEvent>> {
        self.next().await.transpose()
    }

    /// The text of messages alone, piece by piece, over all rounds. Calls run while it is polled;
    /// [`on_progress`](crate::tools::WithToolbox::on_progress) tells of them meanwhile. Errors are
    /// as with [`try_next`](Self::try_next).
    ///
    #[doc = example!("use runstep::tools::Toolbox;

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let mut events = runs.create(&assistant.id).toolbox(&tools).stream().await?;
let mut text = events.text_deltas();
while let Some(piece) = text.try_next().await? {
    print!(\"{piece}\");
}
assert_eq!(events.run().unwrap().status, \"completed\");")]
    pub fn text_deltas(&mut self) -> TextDeltas<'_, Self> {
        TextDeltas::new(self)
    }

    /// Reads on to the end, and gives the run as it then is. Events that do not decode are passed
    /// over.
    ///
    /// # Errors
    ///
    /// Whatever ends the stream before the run; see [`try_next`](Self::try_next).
    pub async fn final_run(&mut self) -> Result<Run> {
        let mut last = None;
        loop {
            match self.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => last = Some(error),
            }
        }
        match (self.end(), self.run(), last) {
            (Some(end), Some(run), _) if end != RunStreamEnd::Cut => Ok(run.clone()),
            (.., Some(error)) => Err(error),
            (_, run, None) => Err(ended_before(run.cloned())),
        }
    }

    /// Reads on to the end, and gives the run with all messages and steps, those of every round.
    ///
    #[doc = example!("use runstep::tools::Toolbox;

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let told = runs.create(&assistant.id).toolbox(&tools).stream().await?.collect().await?;
assert_eq!(told.run.status, \"completed\");
assert_eq!(told.messages[0].text(), \"Sunny.\");
assert_eq!(told.steps.len(), 2); // the call, and the message")]
    ///
    /// # Errors
    ///
    /// As with [`final_run`](Self::final_run).
    pub async fn collect(mut self) -> Result<CollectedRun> {
        let run = self.final_run().await?;
        match self.change() {
            State::Ended(events) => (*events).collect().await,
            _ => Err(ended_before(Some(run))),
        }
    }
}

/// The error that ended the stream is the caller's already.
fn ended_before(run: Option<Run>) -> Error {
    let message = "an error that was given before has ended the stream";
    Error::new(ErrorKind::Connection, message).with_run(run)
}

impl TellsRun for ToolStream {
    type Event = ToolStreamEvent;

    fn of_run(event: ToolStreamEvent) -> Option<RunEvent> {
        match event {
            ToolStreamEvent::Run(event) => Some(event),
            ToolStreamEvent::Tool(_) => None,
        }
    }

    async fn read_on(&mut self) -> Result<Run> {
        self.final_run().await
    }

    fn told(&self) -> (&[Message], &[RunStep]) {
        (self.messages(), self.steps())
    }

    fn lacks_something(&self) -> bool {
        self.events().is_some_and(RunStream::has_gap)
    }
}
