//! The tool loop as one stream: the events of the run and of its calls.

mod read;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt as _;
use runstep_api::types::{Message, Run, RunStep, StreamEvent as RunEvent, ToolOutput};
use sync_wrapper::SyncWrapper;
use tokio::time::Instant;

use super::event::ToolEvent;
use super::round::{Round, RoundEnd};
use super::rounds::{Rounds, cancel_run};
use super::settings::ToolLoopSettings;
use super::submission::submission_deadline_exceeded;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::polling::CancelOnDrop;
use crate::run_request::RunOptions;
use crate::streaming::{RunStream, StreamEnd};
use crate::suspended::{ResumedRound, SuspendedRun};
use crate::transport::RetryPolicy;

/// An event of a [`ToolStream`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ToolStreamEvent {
    /// An event of the run.
    Run(RunEvent),
    /// An event of a tool call.
    Tool(ToolEvent),
}

/// A stream of the events of a run and of its tool calls, over all rounds; see
/// [`RunRequest::toolbox`](crate::RunRequest::toolbox).
///
/// It ends when the run has ended or requires another action than outputs of functions. Calls run
/// concurrently while the stream is polled.
///
/// Dropping it cancels the running calls and closes the connection. The run remains active, unless
/// [`cancel_on_drop`](crate::RunRequest::cancel_on_drop) is set.
#[must_use = "a stream does nothing until it is polled"]
pub struct ToolStream {
    client: Client,
    options: RunOptions,
    settings: ToolLoopSettings,
    /// When the run was created, if this client created it.
    created: Option<Instant>,
    deadline: Instant,
    /// `None` before the first round.
    rounds: Option<Rounds>,
    state: State,
    /// The suspended round to continue with, if any.
    resumed: Option<ResumedRound>,
    suspended: Option<SuspendedRun>,
    /// Armed while calls run. The stream of events has its own guard.
    guard: CancelOnDrop,
}

enum State {
    /// Reading the events of the run.
    Events(Box<RunStream>),
    /// Executing the calls of a round.
    Calling(Box<RunStream>, Box<Round>),
    /// Submitting the outputs. The future owns the stream.
    Submitting(Box<Snapshot>, SyncWrapper<Pin<Box<dyn Future<Output = SubmitResult> + Send>>>),
    /// Cancelling the run after an error.
    Cancelling(Box<RunStream>, SyncWrapper<Pin<Box<dyn Future<Output = Error> + Send>>>),
    Ended(Box<RunStream>),
    /// Ended by an error of the calls, before the run.
    Failed(Box<RunStream>),
    /// A placeholder during a transition.
    Transition,
}

/// The stream, and the result of the submission.
type SubmitResult = (Box<RunStream>, Result<()>);

/// The snapshots while the outputs are submitted.
struct Snapshot {
    run: Option<Run>,
    messages: Vec<Message>,
    steps: Vec<RunStep>,
}

impl ToolStream {
    pub(super) fn new(
        client: Client,
        options: RunOptions,
        settings: ToolLoopSettings,
        events: RunStream,
        created: Option<Instant>,
        deadline: Instant,
    ) -> Self {
        Self {
            client,
            options,
            deadline,
            settings,
            created,
            rounds: None,
            state: State::Events(Box::new(events)),
            resumed: None,
            suspended: None,
            guard: CancelOnDrop::disarmed(),
        }
    }

    /// Continues with a suspended round, if there is one, which the run still requires.
    pub(super) fn resumed(self, resumed: Option<ResumedRound>) -> Self {
        Self { resumed, ..self }
    }

    /// Returns the state of the tool loop if the stream ended because calls were deferred; see
    /// [`Approval::Defer`](crate::tools::Approval::Defer).
    pub fn suspended(&self) -> Option<&SuspendedRun> {
        self.suspended.as_ref()
    }

    /// Returns why the stream ended, or `None` while it is active or if an error of the calls ended it.
    pub fn end(&self) -> Option<StreamEnd> {
        match &self.state {
            State::Ended(events) => events.end(),
            _ => None,
        }
    }

    /// Returns whether the stream yields no further items: the run has ended or requires another
    /// action, or an error has ended the stream. After other errors the stream continues.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_) | State::Failed(_))
    }

    /// Returns the last known state of the run, or `None` before its first event.
    pub fn run(&self) -> Option<&Run> {
        match &self.state {
            State::Submitting(snapshot, _) => snapshot.run.as_ref(),
            _ => self.events()?.run(),
        }
    }

    /// Returns snapshots of the messages of the run, oldest first.
    pub fn messages(&self) -> &[Message] {
        match &self.state {
            State::Submitting(snapshot, _) => &snapshot.messages,
            _ => self.events().map_or(&[], |events| events.messages()),
        }
    }

    /// Returns snapshots of the steps of the run, oldest first.
    pub fn steps(&self) -> &[RunStep] {
        match &self.state {
            State::Submitting(snapshot, _) => &snapshot.steps,
            _ => self.events().map_or(&[], |events| events.steps()),
        }
    }

    /// Returns the id of the last run event; see [`RunStream::last_event_id`].
    pub fn last_event_id(&self) -> Option<&str> {
        self.events()?.last_event_id()
    }

    /// Returns whether the last run event was synthesized after a lost connection; see
    /// [`RunStream::is_synthesized`].
    pub fn is_synthesized(&self) -> bool {
        self.events().is_some_and(RunStream::is_synthesized)
    }

    fn events(&self) -> Option<&RunStream> {
        match &self.state {
            State::Events(events)
            | State::Calling(events, _)
            | State::Cancelling(events, _)
            | State::Ended(events)
            | State::Failed(events) => Some(events.as_ref()),
            State::Submitting(..) | State::Transition => None,
        }
    }

    /// Handles the end of the run's events: starts a round if the run requires one.
    fn on_events_end(&mut self, events: Box<RunStream>) -> State {
        let Some(run) = events.run().filter(|_| events.end() == Some(StreamEnd::RequiresAction))
        else {
            return State::Ended(events);
        };
        let rounds = self.rounds.get_or_insert_with(|| {
            Rounds::new(self.settings.clone(), run, self.created, self.deadline)
        });
        let round = match self.resumed.take() {
            Some(resumed) => rounds.resume(run, resumed),
            None => rounds.start(run),
        };
        match round {
            Ok(Some(round)) => {
                if self.options.cancel_on_drop {
                    let cancel = self.client.runs(&run.thread_id).cancel(&run.id);
                    self.guard = CancelOnDrop::armed(cancel.with_options(self.options.related()));
                }
                State::Calling(events, Box::new(round))
            }
            Ok(None) => State::Ended(events),
            Err(error) => self.cancel(events, error),
        }
    }

    /// Submits the outputs after all calls are done, unless calls were deferred.
    fn submit(
        &mut self,
        events: Box<RunStream>,
        round: Round,
    ) -> std::result::Result<State, (Box<RunStream>, Error)> {
        let in_time = self.rounds.as_ref().map_or(Ok(()), Rounds::check_deadline);
        let rounds = self.rounds.as_ref().map_or(0, Rounds::count);
        let run = events.run().ok_or_else(|| Error::new(ErrorKind::Tool, "the run is unknown"));
        let end = in_time.and(run).and_then(|run| round.into_end(run, rounds));
        let outputs = match end {
            Ok(RoundEnd::Outputs(outputs)) => outputs,
            Ok(RoundEnd::Suspended(suspended)) => {
                self.suspended = Some(suspended);
                self.guard.disarm();
                return Ok(State::Ended(events));
            }
            Err(error) => {
                let error = error.with_run(events.run().cloned());
                return Err((events, error));
            }
        };
        let snapshot = Box::new(Snapshot {
            run: events.run().cloned(),
            messages: events.messages().to_vec(),
            steps: events.steps().to_vec(),
        });
        let (policy, deadline) = (self.client.settings().retry_policy, self.deadline);
        let submission = submit_with_retries(events, outputs, policy, deadline);
        Ok(State::Submitting(snapshot, SyncWrapper::new(Box::pin(submission))))
    }

    fn cancel(&mut self, events: Box<RunStream>, error: Error) -> State {
        let Some(run) = events.run().cloned() else { return State::Ended(events) };
        let (runs, options) = (self.client.runs(&run.thread_id), self.options.related());
        let cancelled = async move { cancel_run(&runs, run, error, &options).await };
        State::Cancelling(events, SyncWrapper::new(Box::pin(cancelled)))
    }

    /// Advances the state machine. Returns an item for the caller, or `None` to continue.
    fn advance(&mut self, context: &mut Context<'_>) -> Poll<Option<Option<Item>>> {
        match &mut self.state {
            State::Events(events) => {
                if let Some(item) = ready!(events.poll_next_unpin(context)) {
                    if events.end() == Some(StreamEnd::DeadlineExceeded)
                        && let State::Events(events) = self.take_state()
                    {
                        self.fail(events);
                    }
                    return Poll::Ready(Some(Some(item.map(ToolStreamEvent::Run))));
                }
            }
            State::Calling(_, round) => {
                if let Some(event) = ready!(round.poll_next_unpin(context)) {
                    return Poll::Ready(Some(Some(Ok(self.report(event)))));
                }
            }
            State::Submitting(_, submission) => {
                let (events, result) = ready!(submission.get_mut().as_mut().poll(context));
                if let Err(error) = result {
                    return self.end_with(events, error);
                }
                self.guard.disarm();
                self.state = State::Events(events);
                return Poll::Ready(None);
            }
            State::Cancelling(_, error) => {
                let error = ready!(error.get_mut().as_mut().poll(context));
                if let State::Cancelling(events, _) = self.take_state() {
                    self.fail(events);
                }
                return Poll::Ready(Some(Some(Err(error))));
            }
            State::Ended(_) | State::Failed(_) | State::Transition => {
                return Poll::Ready(Some(None));
            }
        }
        // The events or the round ended.
        self.state = match self.take_state() {
            State::Events(events) => self.on_events_end(events),
            State::Calling(events, round) => match self.submit(events, *round) {
                Ok(state) => state,
                Err((events, error)) => return self.end_with(events, error),
            },
            other => other,
        };
        Poll::Ready(None)
    }

    fn report(&mut self, event: ToolEvent) -> ToolStreamEvent {
        let result = self.rounds.as_mut().map_or(Ok(()), |rounds| rounds.report(&event));
        if let Err(error) = result
            && let State::Calling(events, _) = self.take_state()
        {
            // Dropping the round drops the other calls.
            self.state = self.cancel(events, error);
        }
        ToolStreamEvent::Tool(event)
    }

    /// Ends the stream with an error, after the run is cancelled if the deadline requires that.
    fn end_with(&mut self, events: Box<RunStream>, error: Error) -> Poll<Option<Option<Item>>> {
        if error.is_deadline() && self.options.cancel_on_deadline {
            self.state = self.cancel(events, error);
            return Poll::Ready(None);
        }
        self.fail(events);
        Poll::Ready(Some(Some(Err(error))))
    }

    /// Ends the stream with an error. The run is left to the caller.
    fn fail(&mut self, mut events: Box<RunStream>) {
        self.guard.disarm();
        events.stop();
        self.state = State::Failed(events);
    }

    fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Transition)
    }
}

type Item = Result<ToolStreamEvent>;

/// Submits outputs, with retries. Before it returns an error, the stream checks that the run still
/// requires the outputs, so a retry is safe.
async fn submit_with_retries(
    mut events: Box<RunStream>,
    outputs: Vec<ToolOutput>,
    policy: RetryPolicy,
    deadline: Instant,
) -> SubmitResult {
    let attempts = async {
        let mut attempt = 1;
        loop {
            let result = events.submit_tool_outputs(outputs.iter().cloned()).await;
            let Err(error) = &result else { return result };
            // Errors that are safe to retry without that check have been retried already.
            let was_retried = policy.delay(error, false, 1).is_some();
            let delay = policy.delay(error, true, attempt).filter(|_| !was_retried);
            let Some(delay) = delay else { return result };
            tokio::time::sleep(delay).await;
            attempt += 1;
        }
    };
    let result = tokio::time::timeout_at(deadline, attempts).await;
    let result = result
        .unwrap_or_else(|_| Err(submission_deadline_exceeded().with_run(events.run().cloned())));
    (events, result)
}

impl Stream for ToolStream {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            if let Some(item) = ready!(self.advance(context)) {
                return Poll::Ready(item);
            }
        }
    }
}

impl fmt::Debug for ToolStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolStream")
            .field("run", &self.run().map(|run| (&run.id, &run.status)))
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}
