//! What a run that has told its end is known by, from what was told and what was found of it.

use runstep_api::types::{Message, MessageStatus, RunStep, RunStepStatus, StepDetails};

use super::missed::{message_has_ended, message_id, message_of, step_has_ended};
use super::{Found, Progress, RunStreamEnd};
use crate::stream::snapshots::{Snapshots, json_size};

/// What came of mending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stream) enum Mended {
    /// Nothing is missed any more.
    Whole,
    /// Something goes on that the end of the run, or of its leg, must have ended: what was found is
    /// from before that.
    Early,
    /// It is longer than may be kept, and all is as it was.
    TooLong,
}

impl Progress {
    /// Whether the run has ended, and not only its leg.
    pub(in crate::stream) fn has_ended(&self) -> bool {
        self.end.is_some_and(|end| end != RunStreamEnd::RequiresAction)
    }

    /// Puts what was found where something was missed of a run that has told its end, and tells no
    /// events. What was told stays where it is further than that: a server may show for a while
    /// what it had before.
    pub(in crate::stream) fn mend(&mut self, found: &Found, most: usize) -> Mended {
        let mut mended = Snapshots::default();
        for step in &found.steps {
            let told = message_id(step).and_then(|id| self.snapshots.message(id));
            let found = message_of(step, &found.messages);
            if let Some(message) = found.filter(|found| is_message_further(found, told)).or(told) {
                mended.put_message(message);
            }
            let told = self.snapshots.step(&step.id);
            mended.put_step(told.filter(|told| !is_step_further(step, told)).unwrap_or(step));
        }
        // What no step of the list tells of stays as it was told.
        for message in self.snapshots.messages() {
            if mended.message(&message.id).is_none() {
                mended.put_message(message);
            }
        }
        for step in self.snapshots.steps() {
            if mended.step(&step.id).is_none() {
                mended.put_step(step);
            }
        }
        if mended.size() > most {
            return Mended::TooLong;
        }
        self.snapshots = mended;
        let is_early = found.steps.iter().any(|step| self.is_open(step))
            || self.snapshots.steps().iter().any(|step| self.is_open(step))
            || self.snapshots.messages().iter().any(is_message_open);
        if is_early { Mended::Early } else { Mended::Whole }
    }

    /// Whether a step goes on, though the run has told an end that must have ended it. Calls go on
    /// while the run waits for them.
    fn is_open(&self, step: &RunStep) -> bool {
        let waits = !self.has_ended() && matches!(step.step_details, StepDetails::ToolCalls(_));
        step.status == RunStepStatus::InProgress && !waits
    }
}

fn is_message_open(message: &Message) -> bool {
    message.status == MessageStatus::InProgress
}

/// Whether what was found of a message is further than what was told.
fn is_message_further(found: &Message, told: Option<&Message>) -> bool {
    let Some(told) = told else { return true };
    let is_longer = || json_size(&found.content) >= json_size(&told.content);
    !message_has_ended(told) && (message_has_ended(found) || is_longer())
}

fn is_step_further(found: &RunStep, told: &RunStep) -> bool {
    let is_longer = || json_size(&found.step_details) >= json_size(&told.step_details);
    !step_has_ended(told) && (step_has_ended(found) || is_longer())
}
