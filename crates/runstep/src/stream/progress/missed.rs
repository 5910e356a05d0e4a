//! Events made from what was found after a cut.

use std::collections::VecDeque;

use runstep_api::types::{
    Message, MessageStatus, Run, RunStatus, RunStep, RunStepStatus, StepDetails,
    StreamEvent as RunEvent, ToolCallsStepDetails,
};

use super::Progress;
use crate::stream::snapshots::{next_message_delta, next_step_delta};

/// Events made from what was found.
pub(super) struct Missed<'a> {
    progress: &'a mut Progress,
    events: VecDeque<RunEvent>,
}

impl<'a> Missed<'a> {
    pub(super) fn new(progress: &'a mut Progress) -> Self {
        Self { progress, events: VecDeque::new() }
    }

    pub(super) fn tell(&mut self, event: RunEvent) {
        if self.progress.hear(&event) {
            self.events.push_back(event);
        }
    }

    /// The statuses that the run has passed through in this leg.
    pub(super) fn tell_way(&mut self, run: &Run, has_steps: bool) {
        if self.progress.run.is_none() && self.progress.answered.is_empty() {
            self.tell(RunEvent::RunCreated(under_way(run, RunStatus::Queued)));
        }
        if !self.progress.queued && !self.progress.begun {
            self.tell(RunEvent::RunQueued(under_way(run, RunStatus::Queued)));
        }
        let begun = match run.status {
            // Its steps were looked up after it.
            RunStatus::Queued => has_steps,
            // It may have ended before it began.
            RunStatus::Cancelling | RunStatus::Cancelled | RunStatus::Expired => {
                has_steps || run.started_at.is_some()
            }
            _ => true,
        };
        if begun && !self.progress.begun {
            self.tell(RunEvent::RunInProgress(under_way(run, RunStatus::InProgress)));
        }
    }

    /// That somebody has asked to cancel.
    pub(super) fn tell_cancelling(&mut self, run: &Run) {
        let cancelled = matches!(run.status, RunStatus::Cancelling | RunStatus::Cancelled);
        if cancelled && !self.progress.cancelling {
            self.tell(RunEvent::RunCancelling(under_way(run, RunStatus::Cancelling)));
        }
    }

    /// What a step, and the message that it creates, have grown to.
    pub(super) fn tell_growth(&mut self, step: &RunStep, message: Option<&Message>) {
        if self.progress.snapshots.step(&step.id).is_none() {
            self.tell(RunEvent::StepCreated(new_step(step)));
        }
        if self.progress.created.contains(&step.id) {
            self.tell(RunEvent::StepInProgress(new_step(step)));
        }
        if let Some(message) = message {
            if self.progress.snapshots.message(&message.id).is_none() {
                self.tell(RunEvent::MessageCreated(new_message(message)));
            }
            if self.progress.created.contains(&message.id) {
                self.tell(RunEvent::MessageInProgress(new_message(message)));
            }
            let known = self.progress.snapshots.message(&message.id);
            let open = known.filter(|known| !message_has_ended(known));
            if let Some(delta) = open.and_then(|known| next_message_delta(known, message)) {
                self.tell(RunEvent::MessageDelta(delta));
            }
        }
        let known = self.progress.snapshots.step(&step.id);
        let open = known.filter(|known| !step_has_ended(known));
        if let Some(delta) = open.and_then(|known| next_step_delta(known, step)) {
            self.tell(RunEvent::StepDelta(delta));
        }
    }

    /// The end of a step and of its message, if they have ended.
    pub(super) fn tell_end(&mut self, step: &RunStep, message: Option<&Message>) {
        let told = |message: &&Message| {
            self.progress.snapshots.message(&message.id).is_some_and(message_has_ended)
        };
        match message.filter(|message| !told(message)) {
            Some(message) if message.status == MessageStatus::Completed => {
                self.tell(RunEvent::MessageCompleted(Box::new(message.clone())));
            }
            Some(message) if message.status == MessageStatus::Incomplete => {
                self.tell(RunEvent::MessageIncomplete(Box::new(message.clone())));
            }
            _ => {}
        }
        if self.progress.snapshots.step(&step.id).is_some_and(step_has_ended) {
            return;
        }
        let step = Box::new(step.clone());
        match step.status {
            RunStepStatus::Completed => self.tell(RunEvent::StepCompleted(step)),
            RunStepStatus::Failed => self.tell(RunEvent::StepFailed(step)),
            RunStepStatus::Cancelled => self.tell(RunEvent::StepCancelled(step)),
            RunStepStatus::Expired => self.tell(RunEvent::StepExpired(step)),
            _ => {}
        }
    }

    /// The end of the run or of the leg, if it has come, and all events.
    pub(super) fn finish(mut self, run: &Run) -> VecDeque<RunEvent> {
        let ended = |event: fn(Box<Run>) -> RunEvent| Some(event(Box::new(run.clone())));
        let end = match run.status {
            RunStatus::RequiresAction => ended(RunEvent::RunRequiresAction),
            RunStatus::Completed => ended(RunEvent::RunCompleted),
            RunStatus::Incomplete => ended(RunEvent::RunIncomplete),
            RunStatus::Failed => ended(RunEvent::RunFailed),
            RunStatus::Cancelled => ended(RunEvent::RunCancelled),
            RunStatus::Expired => ended(RunEvent::RunExpired),
            _ => None,
        };
        if let Some(end) = end {
            self.tell(end);
        }
        self.events
    }
}

/// The message that a step creates.
pub(in crate::stream) fn message_id(step: &RunStep) -> Option<&str> {
    match &step.step_details {
        StepDetails::MessageCreation(details) => Some(&details.message_creation.message_id),
        _ => None,
    }
}

pub(super) fn message_of<'a>(step: &RunStep, messages: &'a [Message]) -> Option<&'a Message> {
    let id = message_id(step)?;
    messages.iter().find(|message| message.id == id)
}

pub(super) fn message_has_ended(message: &Message) -> bool {
    matches!(message.status, MessageStatus::Completed | MessageStatus::Incomplete)
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

/// A run as it was on its way.
fn under_way(run: &Run, status: RunStatus) -> Box<Run> {
    let mut before = Box::new(run.clone());
    before.status = status;
    before.required_action = None;
    before.last_error = None;
    before.incomplete_details = None;
    before.completed_at = None;
    before.failed_at = None;
    before.cancelled_at = None;
    before.usage = None;
    before
}

/// A step as it was when it was created.
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

/// A message as it was when it was created.
fn new_message(message: &Message) -> Box<Message> {
    let mut new = Box::new(message.clone());
    new.status = MessageStatus::InProgress;
    new.content = Vec::new();
    new.incomplete_details = None;
    new.completed_at = None;
    new.incomplete_at = None;
    new
}
