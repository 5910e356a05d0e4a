//! Methods that callers read a stream with.

use std::fmt;

use futures_util::StreamExt as _;
use runstep_api::types::{Message, Run, RunStep, StreamEvent as RunEvent};

use super::{RunStream, State, StreamEnd};
use crate::error::Result;
use crate::into_completed::IntoCompleted;

/// Everything that a stream has received; see [`RunStream::collect`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CollectedRun {
    /// The run at the end.
    pub run: Run,
    /// Its messages, oldest first.
    pub messages: Vec<Message>,
    /// Its steps, oldest first.
    pub steps: Vec<RunStep>,
    /// Why the stream ended.
    pub end: StreamEnd,
}

impl CollectedRun {
    /// Returns this value if the run completed.
    ///
    /// # Errors
    ///
    /// Returns the error of [`IntoCompleted::into_completed`].
    pub fn into_completed(self) -> Result<Self> {
        let Self { run, messages, steps, end } = self;
        Ok(Self { run: run.into_completed()?, messages, steps, end })
    }
}

impl RunStream {
    /// Returns the next event, or `None` once the run has ended or requires action.
    ///
    /// # Errors
    ///
    /// - A malformed or too long event. The stream continues after it.
    /// - The [`deadline`](crate::RunRequest::deadline). This is the last item, and
    ///   [`end`](Self::end) returns [`StreamEnd::DeadlineExceeded`].
    /// - A lost connection that could not be recovered, or messages and steps of more than 64 MiB.
    ///   This is the last item, and [`end`](Self::end) returns [`StreamEnd::ConnectionLost`]. The
    ///   error carries the last known state of the run.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: dropping its future loses no event.
    pub async fn try_next(&mut self) -> Result<Option<RunEvent>> {
        self.next().await.transpose()
    }

    /// Returns why the stream has ended, or `None` while it is active.
    pub fn end(&self) -> Option<StreamEnd> {
        if self.synthesized.is_empty() { self.run_state.end() } else { None }
    }

    /// Returns the last known state of the run, or `None` before the first run event.
    pub fn run(&self) -> Option<&Run> {
        self.run_state.run()
    }

    /// Returns snapshots of the messages of the run, oldest first. Once the stream has ended with
    /// any reason but an error, they equal what
    /// [`Messages::retrieve`](crate::Messages::retrieve) returns.
    ///
    /// A message begins with its first event. If that is a delta, the message has only its content and
    /// the ids of the run, until a later event completes it.
    ///
    /// The content of malformed events is fetched once the run has ended or requires action. If that
    /// fails or takes longer than 30 s or the recovery deadline, or with
    /// [`reconnect(false)`](crate::RunRequest::reconnect), the snapshots lack it.
    pub fn messages(&self) -> &[Message] {
        self.run_state.snapshots().messages()
    }

    /// Returns snapshots of the steps of the run, oldest first. After the end they equal what
    /// [`Steps::retrieve`](crate::Steps::retrieve) returns, as for [`messages`](Self::messages).
    pub fn steps(&self) -> &[RunStep] {
        self.run_state.snapshots().steps()
    }

    /// Returns the id of the last event, if the server sends ids. It is a position at which
    /// [`Runs::stream`](crate::Runs::stream) resumes the stream, also in another process.
    ///
    /// `None` if there is no such position, for example because the last event was synthesized.
    pub fn last_event_id(&self) -> Option<&str> {
        let connection_id = match &self.state {
            State::Reading(connection) => self.ids.position(connection.last_event_id()),
            _ => "",
        };
        let id = if connection_id.is_empty() { &self.last_event_id } else { connection_id };
        (!id.is_empty() && self.synthesized.is_empty()).then_some(id)
    }

    /// Returns whether the last event was synthesized from the fetched run after a lost connection.
    /// A synthesized delta contains all text that was missed. Events that the server sends again
    /// after a reconnection are not synthesized.
    pub fn is_synthesized(&self) -> bool {
        self.is_synthesized
    }

    /// Reads to the end and returns the run. Skips malformed events.
    ///
    /// # Errors
    ///
    /// Returns an error if the deadline passed, or if the connection was lost and could not be
    /// recovered.
    pub async fn final_run(&mut self) -> Result<Run> {
        loop {
            match self.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if self.end().is_some_and(StreamEnd::is_error) => return Err(error),
                Err(_) => {}
            }
        }
        match (self.end(), self.run()) {
            (Some(end), Some(run)) if !end.is_error() => Ok(run.clone()),
            _ => Err(self.connection_error(None)),
        }
    }

    /// Reads to the end and returns the run with all its [`messages`](Self::messages) and
    /// [`steps`](Self::steps).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`final_run`](Self::final_run).
    pub async fn collect(mut self) -> Result<CollectedRun> {
        let run = self.final_run().await?;
        let end = self.end().unwrap_or(StreamEnd::ConnectionLost);
        let (messages, steps) = self.run_state.into_snapshots().into_parts();
        Ok(CollectedRun { run, messages, steps, end })
    }
}

impl fmt::Debug for RunStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunStream")
            .field("run", &self.location.run())
            .field("end", &self.end())
            .field("is_synthesized", &self.is_synthesized)
            .finish_non_exhaustive()
    }
}
