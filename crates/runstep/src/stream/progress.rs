//! What is known of a run, from the events that were told and from what was looked up after a cut.

mod answered;
mod mend;
mod missed;

use std::collections::VecDeque;

use runstep_api::types::{
    ErrorObject, Message, MessageStatus, Run, RunStep, RunStepStatus, StreamEvent as RunEvent,
    Thread,
};

use super::RunStreamEnd;
use super::snapshots::Snapshots;
use answered::Answered;
use missed::{Missed, message_has_ended, message_of};

pub(super) use mend::Mended;
pub(super) use missed::message_id;

/// What has been told to its end, and need not be looked up.
#[derive(Debug)]
pub(super) struct Told {
    /// The thread, or it is not for the stream to tell.
    pub(super) thread: bool,
    pub(super) messages: Vec<String>,
}

/// A run as the server has it, with its steps, oldest first, and what had not been told to its end
/// of its messages and its thread.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) thread: Option<Thread>,
    pub(super) run: Run,
    pub(super) steps: Vec<RunStep>,
    pub(super) messages: Vec<Message>,
}

/// How far a run has been told. Its legs are parted by tool outputs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Whether the thread is made along with the run, and told before it.
    makes_thread: bool,
    thread_id: Option<String>,
    run: Option<Box<Run>>,
    snapshots: Snapshots,
    error: Option<ErrorObject>,
    end: Option<RunStreamEnd>,
    /// What has been told of the run in this leg.
    queued: bool,
    begun: bool,
    cancelling: bool,
    answered: Answered,
    /// Messages and steps whose creation has been told, and not yet that they are in progress.
    created: Vec<String>,
}

impl Progress {
    /// That of a run which is made along with its thread.
    pub(super) fn of_new_thread() -> Self {
        Self { makes_thread: true, ..Self::default() }
    }

    /// That of a run which goes on after these calls have been answered.
    pub(super) fn of_later_leg(answered: Vec<String>) -> Self {
        Self { answered: Answered::with_ids(answered), ..Self::default() }
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

    pub(super) fn told(&self) -> Told {
        let ended = self.snapshots.messages().iter().filter(|message| message_has_ended(message));
        Told {
            // Servers that tell the run first do not tell the thread.
            thread: !self.makes_thread || self.thread_id.is_some() || self.run.is_some(),
            messages: ended.map(|message| message.id.clone()).collect(),
        }
    }

    /// Outputs of these calls, which the run has waited for, have been taken, and it goes on.
    pub(super) fn begin_leg(&mut self, answered: Vec<String>) {
        self.end = None;
        self.error = None;
        (self.queued, self.begun, self.cancelling) = (false, false, false);
        self.answered = Answered::of(answered, self.run.as_deref(), self.snapshots.steps());
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
        let Found { thread, run, steps, messages } = found;
        if self.answered.are_waited_for(&run, &steps) {
            return VecDeque::new();
        }
        let (answered, steps) = self.answered.split(&steps);
        let mut missed = Missed::new(self);
        if let Some(thread) = thread {
            missed.tell(RunEvent::ThreadCreated(Box::new(thread)));
        }
        // Outputs complete the step that asked for them, before the run is queued again.
        if let Some(step) = answered.filter(|step| step.status == RunStepStatus::Completed) {
            missed.tell_end(step, None);
        }
        missed.tell_way(&run, !steps.is_empty());
        for step in steps {
            let message = message_of(step, &messages);
            missed.tell_growth(step, message);
            if step.status == RunStepStatus::Completed
                && message.is_none_or(|message| message.status != MessageStatus::Incomplete)
            {
                missed.tell_end(step, message);
            }
        }
        missed.tell_cancelling(&run);
        // What the run's own end ends.
        for step in answered.into_iter().chain(steps) {
            missed.tell_end(step, message_of(step, &messages));
        }
        let events = missed.finish(&run);
        self.run = Some(Box::new(run));
        events
    }
}
