//! The known state of a run: applies events, and synthesizes events from fetched state.
//!
//! A run is streamed in segments: from its start, or from submitted tool outputs, to the next
//! terminal event.

mod reconcile;
mod submitted_calls;
mod synthesize;

use std::collections::VecDeque;

use runstep_api::types::{
    ErrorObject, Message, MessageStatus, Run, RunStep, RunStepStatus, StreamEvent as RunEvent,
    Thread,
};

use super::snapshots::{Snapshots, has_same_json, message_has_ended};
use submitted_calls::SubmittedCalls;
use synthesize::{Synthesizer, message_is_incomplete, message_of};

pub(super) use reconcile::Reconciled;
pub(super) use synthesize::message_id;

/// Why a stream has ended; see [`RunStream::end`](crate::RunStream::end).
/// [`RunStream::run`](crate::RunStream::run) is the run itself, and
/// [`Run::outcome`](crate::types::Run::outcome) has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamEnd {
    /// The run completed.
    Completed,
    /// The run requires tool outputs.
    /// [`RunStream::submit_tool_outputs`](crate::RunStream::submit_tool_outputs) continues the
    /// stream.
    RequiresAction,
    /// The run failed.
    Failed,
    /// The run ended before it was complete.
    Incomplete,
    /// The run was cancelled.
    Cancelled,
    /// The run expired.
    Expired,
    /// The connection was lost and could not be recovered, or a limit of the stream was exceeded. The
    /// run may still be active.
    ConnectionLost,
    /// The deadline of the stream passed. The run may still be active.
    DeadlineExceeded,
}

impl StreamEnd {
    /// Returns whether an error ended the stream before the run settled.
    pub fn is_error(self) -> bool {
        matches!(self, Self::ConnectionLost | Self::DeadlineExceeded)
    }
}

/// Objects whose final state is known, so that they need not be fetched.
#[derive(Debug)]
pub(super) struct CompleteObjects {
    /// Whether the thread is known, or is not part of the stream.
    pub(super) thread: bool,
    pub(super) message_ids: Vec<String>,
}

/// The fetched state of a run: all steps, oldest first, and the messages and the thread that were
/// not complete.
#[derive(Debug)]
pub(super) struct FetchedState {
    pub(super) thread: Option<Thread>,
    pub(super) run: Run,
    pub(super) steps: Vec<RunStep>,
    pub(super) messages: Vec<Message>,
}

/// The state of a run according to its events.
#[derive(Debug, Default)]
pub(super) struct RunState {
    /// Whether the request creates the thread, so that `thread.created` comes first.
    creates_thread: bool,
    /// Whether the stream begins within the run, so that the first delta of an object may not be its
    /// beginning.
    begins_within_run: bool,
    thread_id: Option<String>,
    run: Option<Box<Run>>,
    snapshots: Snapshots,
    error: Option<ErrorObject>,
    end: Option<StreamEnd>,
    /// Which status events this segment has had.
    is_queued: bool,
    is_in_progress: bool,
    is_cancelling: bool,
    submitted: SubmittedCalls,
    /// Messages and steps with a created event and without an in-progress event or a delta.
    created_ids: Vec<String>,
}

impl RunState {
    /// Creates the state of a run that is created together with its thread.
    pub(super) fn with_new_thread() -> Self {
        Self { creates_thread: true, ..Self::default() }
    }

    /// Creates the state of a run whose earlier events are not part of the stream.
    pub(super) fn within_run() -> Self {
        Self { begins_within_run: true, ..Self::default() }
    }

    /// Creates the state of a run that continues after outputs of these calls.
    pub(super) fn after_outputs(submitted_call_ids: Vec<String>) -> Self {
        Self { submitted: SubmittedCalls::from_ids(submitted_call_ids), ..Self::default() }
    }

    /// Creates the state of a run that requires action.
    #[cfg(feature = "tools")]
    pub(super) fn waiting_for_outputs(run: Run) -> Self {
        Self { run: Some(Box::new(run)), end: Some(StreamEnd::RequiresAction), ..Self::default() }
    }

    pub(super) fn thread_id(&self) -> Option<&str> {
        self.run.as_ref().map(|run| &run.thread_id).or(self.thread_id.as_ref()).map(String::as_str)
    }

    pub(super) fn run(&self) -> Option<&Run> {
        self.run.as_deref()
    }

    pub(super) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    pub(super) fn into_snapshots(self) -> Snapshots {
        self.snapshots
    }

    /// Returns the last `error` event of the current response.
    pub(super) fn error(&self) -> Option<&ErrorObject> {
        self.error.as_ref()
    }

    pub(super) fn clear_error(&mut self) {
        self.error = None;
    }

    pub(super) fn end(&self) -> Option<StreamEnd> {
        self.end
    }

    pub(super) fn set_connection_lost(&mut self) {
        self.end = Some(StreamEnd::ConnectionLost);
    }

    pub(super) fn set_deadline_exceeded(&mut self) {
        self.end = Some(StreamEnd::DeadlineExceeded);
    }

    pub(super) fn complete_objects(&self) -> CompleteObjects {
        let ended = self.snapshots.messages().iter().filter(|message| message_has_ended(message));
        CompleteObjects {
            // Servers that emit the run first do not emit the thread.
            thread: !self.creates_thread || self.thread_id.is_some() || self.run.is_some(),
            message_ids: ended.map(|message| message.id.clone()).collect(),
        }
    }

    /// Starts the next segment, after the server has accepted outputs of these calls.
    pub(super) fn start_segment(&mut self, submitted_call_ids: Vec<String>) {
        self.end = None;
        self.error = None;
        // The events of a segment are complete.
        self.begins_within_run = false;
        (self.is_queued, self.is_in_progress, self.is_cancelling) = (false, false, false);
        let steps = self.snapshots.steps();
        self.submitted = SubmittedCalls::new(submitted_call_ids, self.run.as_deref(), steps);
    }

    /// Applies an event. Returns `false` for a duplicate.
    pub(super) fn apply(&mut self, event: &RunEvent) -> bool {
        match event {
            RunEvent::MessageDelta(delta) => {
                self.mark(&delta.id, false);
                if !self.begins_within_run || self.snapshots.message(&delta.id).is_some() {
                    self.snapshots.extend_message(delta, self.run.as_deref());
                }
            }
            RunEvent::StepDelta(delta) => {
                self.mark(&delta.id, false);
                if !self.begins_within_run || self.snapshots.step(&delta.id).is_some() {
                    self.snapshots.extend_step(delta, self.run.as_deref());
                }
            }
            RunEvent::ThreadCreated(thread) => self.thread_id = Some(thread.id.clone()),
            RunEvent::RunCreated(run) => self.run = Some(run.clone()),
            RunEvent::RunQueued(run) => {
                self.is_queued = true;
                self.apply_run(run);
            }
            RunEvent::RunInProgress(run) => {
                self.is_in_progress = true;
                self.apply_run(run);
            }
            RunEvent::RunCancelling(run) => {
                self.is_cancelling = true;
                self.apply_run(run);
            }
            RunEvent::RunRequiresAction(run) => {
                return self.apply_end(run, StreamEnd::RequiresAction);
            }
            RunEvent::RunCompleted(run) => return self.apply_end(run, StreamEnd::Completed),
            RunEvent::RunIncomplete(run) => return self.apply_end(run, StreamEnd::Incomplete),
            RunEvent::RunFailed(run) => return self.apply_end(run, StreamEnd::Failed),
            RunEvent::RunCancelled(run) => return self.apply_end(run, StreamEnd::Cancelled),
            RunEvent::RunExpired(run) => return self.apply_end(run, StreamEnd::Expired),
            RunEvent::StepCreated(step) => self.apply_step(step, true),
            RunEvent::StepInProgress(step) => self.apply_step(step, false),
            RunEvent::StepCompleted(step)
            | RunEvent::StepFailed(step)
            | RunEvent::StepCancelled(step)
            | RunEvent::StepExpired(step) => {
                // Some servers emit the terminal event of a step twice.
                if self.snapshots.step(&step.id).is_some_and(|known| has_same_json(known, step)) {
                    return false;
                }
                self.apply_step(step, false);
            }
            RunEvent::MessageCreated(message) => self.apply_message(message, true, None),
            RunEvent::MessageInProgress(message) => self.apply_message(message, false, None),
            RunEvent::MessageCompleted(message) => {
                self.apply_message(message, false, Some(MessageStatus::Completed));
            }
            RunEvent::MessageIncomplete(message) => {
                self.apply_message(message, false, Some(MessageStatus::Incomplete));
            }
            RunEvent::Error(error) => self.error = Some(error.clone()),
            _ => {}
        }
        true
    }

    fn apply_run(&mut self, run: &Run) {
        self.run = Some(Box::new(run.clone()));
        self.end = None;
    }

    /// Applies a terminal event. Returns `false` for one that the server emits again.
    fn apply_end(&mut self, run: &Run, end: StreamEnd) -> bool {
        let known = self.run.as_deref().filter(|_| self.end == Some(end));
        if known.is_some_and(|known| has_same_json(known, run)) {
            return false;
        }
        self.run = Some(Box::new(run.clone()));
        self.end = Some(end);
        true
    }

    fn apply_step(&mut self, step: &RunStep, created: bool) {
        self.snapshots.put_step(step);
        self.mark(&step.id, created);
    }

    /// Applies a message. One without a status has that of the event.
    fn apply_message(&mut self, message: &Message, created: bool, end: Option<MessageStatus>) {
        match end.filter(|_| message.status.is_none()) {
            Some(status) => {
                let mut message = message.clone();
                message.status = Some(status);
                self.snapshots.put_message(&message);
            }
            None => self.snapshots.put_message(message),
        }
        self.mark(&message.id, created);
    }

    /// Records whether the last event of an object was its created event.
    fn mark(&mut self, id: &str, created: bool) {
        if !self.created_ids.is_empty() {
            self.created_ids.retain(|created_id| created_id != id);
        }
        if created {
            self.created_ids.push(id.to_owned());
        }
    }

    /// Applies fetched state, and returns the events between the known state and the fetched one,
    /// in the order in which a server emits them. Each object has at most one delta.
    ///
    /// Returns no events if the run still requires the submitted calls, because that state is stale.
    pub(super) fn synthesize_events(&mut self, fetched: FetchedState) -> VecDeque<RunEvent> {
        let FetchedState { thread, run, steps, messages } = fetched;
        if self.submitted.are_pending(&run, &steps) {
            return VecDeque::new();
        }
        let (submitted, steps) = self.submitted.split(&steps);
        let mut synthesizer = Synthesizer { state: self, events: VecDeque::new() };
        if let Some(thread) = thread {
            synthesizer.emit(RunEvent::ThreadCreated(Box::new(thread)));
        }
        // Outputs complete the step of their calls before the run is queued again.
        if let Some(step) = submitted.filter(|step| step.status == RunStepStatus::Completed) {
            synthesizer.emit_step_end(step, None);
        }
        synthesizer.emit_run_progress(&run, !steps.is_empty());
        for step in steps {
            let message = message_of(step, &messages);
            synthesizer.emit_step_progress(step, message);
            if step.status == RunStepStatus::Completed
                && message.is_none_or(|message| !message_is_incomplete(message))
            {
                synthesizer.emit_step_end(step, message);
            }
        }
        synthesizer.emit_cancelling(&run);
        // Steps that ended because the run ended.
        for step in submitted.into_iter().chain(steps) {
            synthesizer.emit_step_end(step, message_of(step, &messages));
        }
        let events = synthesizer.finish(&run);
        self.run = Some(Box::new(run));
        events
    }
}
