//! What is known of a run, from the events that were told and from what was looked up after a cut.

use std::collections::VecDeque;

use runstep_api::types::{
    ErrorObject, Message, MessageStatus, Run, RunStatus, RunStep, RunStepStatus, StepDetails,
    StreamEvent as RunEvent, ToolCall, ToolCallsStepDetails,
};

use super::RunStreamEnd;
use super::snapshots::{Snapshots, next_message_delta, next_step_delta};
use crate::extensions::RunExt as _;

/// A run as the server has it, with its steps, oldest first, and those of its messages that had
/// not been told to their end.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) run: Run,
    pub(super) steps: Vec<RunStep>,
    pub(super) messages: Vec<Message>,
}

/// How far a run has been told. Its legs are parted by tool outputs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    thread_id: Option<String>,
    run: Option<Box<Run>>,
    snapshots: Snapshots,
    error: Option<ErrorObject>,
    end: Option<RunStreamEnd>,
    /// What has been told of the run in this leg.
    queued: bool,
    begun: bool,
    cancelling: bool,
    /// The calls whose outputs began this leg; none in the first.
    answered: Vec<String>,
    /// Messages and steps whose creation has been told, and not yet that they are in progress.
    created: Vec<String>,
}

impl Progress {
    /// That of a run which goes on after these calls have been answered.
    pub(super) fn of_later_leg(answered: Vec<String>) -> Self {
        Self { answered, ..Self::default() }
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

    /// What the server said went wrong in an event of its own.
    pub(super) fn error(&self) -> Option<&ErrorObject> {
        self.error.as_ref()
    }

    /// It is about a reply that is over, and another one takes its place.
    pub(super) fn forget_error(&mut self) {
        self.error = None;
    }

    pub(super) fn end(&self) -> Option<RunStreamEnd> {
        self.end
    }

    pub(super) fn cut(&mut self) {
        self.end = Some(RunStreamEnd::Cut);
    }

    /// The messages that have been told to their end.
    pub(super) fn told_messages(&self) -> Vec<String> {
        let ended = self.snapshots.messages().iter().filter(|message| message_has_ended(message));
        ended.map(|message| message.id.clone()).collect()
    }

    /// Outputs of these calls have been taken, and the run goes on.
    pub(super) fn begin_leg(&mut self, answered: Vec<String>) {
        self.end = None;
        self.error = None;
        (self.queued, self.begun, self.cancelling) = (false, false, false);
        self.answered = answered;
    }

    /// Takes an event. False for one that says what has been said before.
    pub(super) fn hear(&mut self, event: &RunEvent) -> bool {
        match event {
            // What grows is in progress, whether that has been told or not.
            RunEvent::MessageDelta(delta) => {
                self.note(&delta.id, false);
                self.snapshots.extend_message(delta);
            }
            RunEvent::StepDelta(delta) => {
                self.note(&delta.id, false);
                self.snapshots.extend_step(delta);
            }
            RunEvent::ThreadCreated(thread) => self.thread_id = Some(thread.id.clone()),
            RunEvent::RunCreated(run) => self.run = Some(run.clone()),
            RunEvent::RunQueued(run) => self.hear_run(run, None, |told| told.queued = true),
            RunEvent::RunInProgress(run) => self.hear_run(run, None, |told| told.begun = true),
            RunEvent::RunCancelling(run) => self.hear_run(run, None, |told| told.cancelling = true),
            RunEvent::RunRequiresAction(run) => self.hear_end(run, RunStreamEnd::RequiresAction),
            RunEvent::RunCompleted(run) => self.hear_end(run, RunStreamEnd::Completed),
            RunEvent::RunIncomplete(run) => self.hear_end(run, RunStreamEnd::Incomplete),
            RunEvent::RunFailed(run) => self.hear_end(run, RunStreamEnd::Failed),
            RunEvent::RunCancelled(run) => self.hear_end(run, RunStreamEnd::Cancelled),
            RunEvent::RunExpired(run) => self.hear_end(run, RunStreamEnd::Expired),
            RunEvent::StepCreated(step) => self.hear_step(step, true),
            RunEvent::StepInProgress(step) => self.hear_step(step, false),
            RunEvent::StepCompleted(step)
            | RunEvent::StepFailed(step)
            | RunEvent::StepCancelled(step)
            | RunEvent::StepExpired(step) => {
                // Servers were seen to tell the end of a step twice.
                if self.snapshots.step(&step.id) == Some(step) {
                    return false;
                }
                self.hear_step(step, false);
            }
            RunEvent::MessageCreated(message) => self.hear_message(message, true),
            RunEvent::MessageInProgress(message)
            | RunEvent::MessageCompleted(message)
            | RunEvent::MessageIncomplete(message) => self.hear_message(message, false),
            RunEvent::Error(error) => self.error = Some(error.clone()),
            _ => {}
        }
        true
    }

    fn hear_run(&mut self, run: &Run, end: Option<RunStreamEnd>, told: impl FnOnce(&mut Self)) {
        told(self);
        self.run = Some(Box::new(run.clone()));
        self.end = end;
    }

    fn hear_end(&mut self, run: &Run, end: RunStreamEnd) {
        self.hear_run(run, Some(end), |_| {});
    }

    fn hear_step(&mut self, step: &RunStep, created: bool) {
        self.snapshots.put_step(step);
        self.note(&step.id, created);
    }

    fn hear_message(&mut self, message: &Message, created: bool) {
        self.snapshots.put_message(message);
        self.note(&message.id, created);
    }

    fn note(&mut self, id: &str, created: bool) {
        self.created.retain(|known| known != id);
        if created {
            self.created.push(id.to_owned());
        }
    }

    /// The events that were missed, from what has been told to what is. They are in the order in
    /// which a stream tells them, and what grew in pieces comes in one.
    ///
    /// A run that is still seen to wait for the calls that were answered tells nothing: it was seen
    /// as it had been.
    pub(super) fn catch_up(&mut self, found: Found) -> VecDeque<RunEvent> {
        let Found { run, steps, messages } = found;
        if self.waits_for_answered(&run) {
            return VecDeque::new();
        }
        let (answered, steps) = self.split_at_leg(&steps);
        let mut missed = Missed { progress: self, events: VecDeque::new() };
        // Outputs complete the step that asked for them, before the run is queued again.
        if let Some(step) = answered.filter(|step| step.status == RunStepStatus::Completed) {
            missed.tell_end(step, None);
        }
        missed.tell_way(&run);
        for step in steps {
            let message = message_of(step, &messages);
            missed.tell_growth(step, message);
            if step.status == RunStepStatus::Completed
                && message.is_none_or(|message| message.status != MessageStatus::Incomplete)
            {
                missed.tell_end(step, message);
            }
        }
        let cancelled = matches!(run.status, RunStatus::Cancelling | RunStatus::Cancelled);
        if cancelled && !missed.progress.cancelling {
            missed.tell(RunEvent::RunCancelling(under_way(&run, RunStatus::Cancelling)));
        }
        // What the run's own end ends.
        for step in answered.into_iter().chain(steps) {
            missed.tell_end(step, message_of(step, &messages));
        }
        let events = missed.finish(&run);
        self.run = Some(Box::new(run));
        events
    }

    fn waits_for_answered(&self, run: &Run) -> bool {
        let calls = run.function_calls();
        run.status == RunStatus::RequiresAction
            && !calls.is_empty()
            && calls.iter().all(|call| self.answered.contains(&call.id))
    }

    /// Of all steps of a run, the one whose calls were answered when this leg began, and those that
    /// came after it.
    fn split_at_leg<'a>(&self, steps: &'a [RunStep]) -> (Option<&'a RunStep>, &'a [RunStep]) {
        let answered = |step: &RunStep| match &step.step_details {
            StepDetails::ToolCalls(details) => details.tool_calls.iter().any(
                |call| matches!(call, ToolCall::Function(call) if self.answered.contains(&call.id)),
            ),
            _ => false,
        };
        match steps.iter().rposition(answered) {
            Some(last) => (steps.get(last), steps.get(last + 1..).unwrap_or_default()),
            None => (None, steps),
        }
    }
}

/// Events made from what was found.
struct Missed<'a> {
    progress: &'a mut Progress,
    events: VecDeque<RunEvent>,
}

impl Missed<'_> {
    fn tell(&mut self, event: RunEvent) {
        if self.progress.hear(&event) {
            self.events.push_back(event);
        }
    }

    /// The statuses that the run has passed through in this leg.
    fn tell_way(&mut self, run: &Run) {
        if self.progress.run.is_none() && self.progress.answered.is_empty() {
            self.tell(RunEvent::RunCreated(under_way(run, RunStatus::Queued)));
        }
        if !self.progress.queued && !self.progress.begun {
            self.tell(RunEvent::RunQueued(under_way(run, RunStatus::Queued)));
        }
        let begun = match run.status {
            RunStatus::Queued => false,
            // It may have ended before it began.
            RunStatus::Cancelling | RunStatus::Cancelled | RunStatus::Expired => {
                run.started_at.is_some()
            }
            _ => true,
        };
        if begun && !self.progress.begun {
            self.tell(RunEvent::RunInProgress(under_way(run, RunStatus::InProgress)));
        }
    }

    /// What a step, and the message that it creates, have grown to.
    fn tell_growth(&mut self, step: &RunStep, message: Option<&Message>) {
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
    fn tell_end(&mut self, step: &RunStep, message: Option<&Message>) {
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
    fn finish(mut self, run: &Run) -> VecDeque<RunEvent> {
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
pub(super) fn message_id(step: &RunStep) -> Option<&str> {
    match &step.step_details {
        StepDetails::MessageCreation(details) => Some(&details.message_creation.message_id),
        _ => None,
    }
}

fn message_of<'a>(step: &RunStep, messages: &'a [Message]) -> Option<&'a Message> {
    let id = message_id(step)?;
    messages.iter().find(|message| message.id == id)
}

fn message_has_ended(message: &Message) -> bool {
    matches!(message.status, MessageStatus::Completed | MessageStatus::Incomplete)
}

fn step_has_ended(step: &RunStep) -> bool {
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
