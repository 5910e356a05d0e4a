//! Synthesizes events from fetched state.

use std::collections::VecDeque;

use runstep_api::types::{
    Message, MessageStatus, Run, RunStatus, RunStep, RunStepStatus, StepDetails,
    StreamEvent as RunEvent, ToolCallsStepDetails,
};

use super::RunState;
use crate::streaming::snapshots::{message_has_ended, next_message_delta, next_step_delta};

/// Collects synthesized events and applies them to the state.
pub(super) struct Synthesizer<'a> {
    pub(super) state: &'a mut RunState,
    pub(super) events: VecDeque<RunEvent>,
}

impl Synthesizer<'_> {
    pub(super) fn emit(&mut self, event: RunEvent) {
        if self.state.apply(&event) {
            self.events.push_back(event);
        }
    }

    /// Emits the statuses that the run has passed through in this segment.
    pub(super) fn emit_run_progress(&mut self, run: &Run, has_steps: bool) {
        if self.state.run.is_none() && self.state.submitted.is_empty() {
            self.emit(RunEvent::RunCreated(earlier_run(run, RunStatus::Queued)));
        }
        if !self.state.is_queued && !self.state.is_in_progress {
            self.emit(RunEvent::RunQueued(earlier_run(run, RunStatus::Queued)));
        }
        let is_started = match run.status {
            // Steps of a queued run show that it has started since it was fetched.
            RunStatus::Queued => has_steps,
            // The run may have ended before it was started.
            RunStatus::Cancelling | RunStatus::Cancelled | RunStatus::Expired => {
                has_steps || run.started_at.is_some()
            }
            _ => true,
        };
        if is_started && !self.state.is_in_progress {
            self.emit(RunEvent::RunInProgress(earlier_run(run, RunStatus::InProgress)));
        }
    }

    /// Emits `thread.run.cancelling`, if it is missing.
    pub(super) fn emit_cancelling(&mut self, run: &Run) {
        let was_cancelling = matches!(run.status, RunStatus::Cancelling | RunStatus::Cancelled);
        if was_cancelling && !self.state.is_cancelling {
            self.emit(RunEvent::RunCancelling(earlier_run(run, RunStatus::Cancelling)));
        }
    }

    /// Emits the created, in-progress and delta events of a step and of its message.
    pub(super) fn emit_step_progress(&mut self, step: &RunStep, message: Option<&Message>) {
        if !self.state.snapshots.has_step_event(&step.id) {
            self.emit(RunEvent::StepCreated(new_step(step)));
        }
        if self.state.created_ids.contains(&step.id) {
            self.emit(RunEvent::StepInProgress(new_step(step)));
        }
        if let Some(message) = message {
            if !self.state.snapshots.has_message_event(&message.id) {
                self.emit(RunEvent::MessageCreated(new_message(message)));
            }
            if self.state.created_ids.contains(&message.id) {
                self.emit(RunEvent::MessageInProgress(new_message(message)));
            }
            let known = self.state.snapshots.message(&message.id);
            let active = known.filter(|known| !message_has_ended(known));
            if let Some(delta) = active.and_then(|known| next_message_delta(known, message)) {
                self.emit(RunEvent::MessageDelta(delta));
            }
        }
        let known = self.state.snapshots.step(&step.id);
        let active = known.filter(|known| !step_has_ended(known));
        if let Some(delta) = active.and_then(|known| next_step_delta(known, step)) {
            self.emit(RunEvent::StepDelta(delta));
        }
    }

    /// Emits the terminal events of a step and of its message, if they have ended.
    pub(super) fn emit_step_end(&mut self, step: &RunStep, message: Option<&Message>) {
        let is_emitted = |message: &&Message| {
            self.state.snapshots.message(&message.id).is_some_and(message_has_ended)
        };
        if let Some(message) = message.filter(|message| !is_emitted(message)) {
            // Some servers list messages without a status. Their step has one.
            let is_completed = match &message.status {
                Some(status) => *status == MessageStatus::Completed,
                None => step.status == RunStepStatus::Completed,
            };
            if message_is_incomplete(message) {
                self.emit(RunEvent::MessageIncomplete(Box::new(message.clone())));
            } else if is_completed {
                self.emit(RunEvent::MessageCompleted(Box::new(message.clone())));
            }
        }
        if self.state.snapshots.step(&step.id).is_some_and(step_has_ended) {
            return;
        }
        let step = Box::new(step.clone());
        match step.status {
            RunStepStatus::Completed => self.emit(RunEvent::StepCompleted(step)),
            RunStepStatus::Failed => self.emit(RunEvent::StepFailed(step)),
            RunStepStatus::Cancelled => self.emit(RunEvent::StepCancelled(step)),
            RunStepStatus::Expired => self.emit(RunEvent::StepExpired(step)),
            _ => {}
        }
    }

    /// Emits the terminal event of the segment, if it has ended, and returns all events.
    pub(super) fn finish(mut self, run: &Run) -> VecDeque<RunEvent> {
        let terminal = |event: fn(Box<Run>) -> RunEvent| Some(event(Box::new(run.clone())));
        let end = match run.status {
            RunStatus::RequiresAction => terminal(RunEvent::RunRequiresAction),
            RunStatus::Completed => terminal(RunEvent::RunCompleted),
            RunStatus::Incomplete => terminal(RunEvent::RunIncomplete),
            RunStatus::Failed => terminal(RunEvent::RunFailed),
            RunStatus::Cancelled => terminal(RunEvent::RunCancelled),
            RunStatus::Expired => terminal(RunEvent::RunExpired),
            _ => None,
        };
        if let Some(end) = end {
            self.emit(end);
        }
        self.events
    }
}

/// Returns the id of the message that a step creates.
pub(in crate::streaming) fn message_id(step: &RunStep) -> Option<&str> {
    match &step.step_details {
        StepDetails::MessageCreation(details) => Some(&details.message_creation.message_id),
        _ => None,
    }
}

pub(super) fn message_of<'a>(step: &RunStep, messages: &'a [Message]) -> Option<&'a Message> {
    let id = message_id(step)?;
    messages.iter().find(|message| message.id == id)
}

pub(super) fn message_is_incomplete(message: &Message) -> bool {
    match &message.status {
        Some(status) => *status == MessageStatus::Incomplete,
        None => message.incomplete_details.is_some(),
    }
}

pub(super) fn step_has_ended(step: &RunStep) -> bool {
    matches!(
        step.status,
        RunStepStatus::Completed
            | RunStepStatus::Failed
            | RunStepStatus::Cancelled
            | RunStepStatus::Expired
    )
}

/// Returns a run as it was in an earlier status.
fn earlier_run(run: &Run, status: RunStatus) -> Box<Run> {
    let mut earlier = Box::new(run.clone());
    earlier.status = status;
    earlier.required_action = None;
    earlier.last_error = None;
    earlier.incomplete_details = None;
    earlier.completed_at = None;
    earlier.failed_at = None;
    earlier.cancelled_at = None;
    earlier.usage = None;
    earlier
}

/// Returns a step as it was when it was created.
fn new_step(step: &RunStep) -> Box<RunStep> {
    let mut new = Box::new(step.clone());
    new.status = RunStepStatus::InProgress;
    if let StepDetails::ToolCalls(_) = &step.step_details {
        new.step_details = ToolCallsStepDetails::new(Vec::new()).into();
    }
    new.last_error = None;
    new.expired_at = None;
    new.cancelled_at = None;
    new.failed_at = None;
    new.completed_at = None;
    new.usage = None;
    new
}

/// Returns a message as it was when it was created.
fn new_message(message: &Message) -> Box<Message> {
    let mut new = Box::new(message.clone());
    new.status = Some(MessageStatus::InProgress);
    new.content = Vec::new();
    new.incomplete_details = None;
    new.completed_at = None;
    new.incomplete_at = None;
    new
}
