//! Reconciles snapshots with the server's state after malformed events.

use std::borrow::Cow;

use runstep_api::types::{Message, MessageStatus, RunStep, RunStepStatus, StepDetails};

use super::synthesize::{message_id, message_of, step_has_ended};
use super::{FetchedState, RunState, StreamEnd};
use crate::streaming::snapshots::{Snapshots, json_size, message_has_ended};

/// The result of a reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::streaming) enum Reconciled {
    /// The snapshots are complete.
    Complete,
    /// The fetched state is stale: an object is active although the run has settled.
    Stale,
    /// The fetched state exceeds the size limit; the snapshots are unchanged.
    TooLarge,
}

impl RunState {
    /// Returns whether the stream has ended for another reason than a required action.
    pub(in crate::streaming) fn has_ended(&self) -> bool {
        self.end.is_some_and(|end| end != StreamEnd::RequiresAction)
    }

    /// Merges fetched state into the snapshots of a settled run, without emitting events. Keeps
    /// the more advanced state of each object, because the fetched state may be stale.
    pub(in crate::streaming) fn reconcile(
        &mut self,
        fetched: &FetchedState,
        max_bytes: usize,
    ) -> Reconciled {
        let mut merged = Snapshots::default();
        for step in &fetched.steps {
            let known = message_id(step).and_then(|id| self.snapshots.message(id));
            let message = message_of(step, &fetched.messages);
            if let Some(message) = self.newer_message(message, known) {
                merged.put_message(&message);
            }
            merged.put_step(&self.newer_step(step, self.snapshots.step(&step.id)));
        }
        // Keep objects that the fetched steps do not mention.
        for message in self.snapshots.messages() {
            if merged.message(&message.id).is_none() {
                merged.put_message(message);
            }
        }
        for step in self.snapshots.steps() {
            if merged.step(&step.id).is_none() {
                merged.put_step(step);
            }
        }
        if merged.size() > max_bytes {
            return Reconciled::TooLarge;
        }
        self.snapshots = merged;
        let is_stale = fetched.steps.iter().any(|step| self.is_step_active(step))
            || self.snapshots.steps().iter().any(|step| self.is_step_active(step))
            || self.snapshots.messages().iter().any(is_message_active);
        if is_stale { Reconciled::Stale } else { Reconciled::Complete }
    }

    /// Returns the more advanced state of a message. What is only known from deltas has no other
    /// properties, so only its content can be kept.
    fn newer_message<'a>(
        &self,
        fetched: Option<&'a Message>,
        known: Option<&'a Message>,
    ) -> Option<Cow<'a, Message>> {
        let (fetched, known) = match (fetched, known) {
            (Some(fetched), Some(known)) => (fetched, known),
            (fetched, known) => return fetched.or(known).map(Cow::Borrowed),
        };
        if is_message_advanced(fetched, known) {
            return Some(Cow::Borrowed(fetched));
        }
        if self.snapshots.has_message_event(&known.id) {
            return Some(Cow::Borrowed(known));
        }
        let mut message = fetched.clone();
        message.content.clone_from(&known.content);
        Some(Cow::Owned(message))
    }

    /// Does the same for a step.
    fn newer_step<'a>(&self, fetched: &'a RunStep, known: Option<&'a RunStep>) -> Cow<'a, RunStep> {
        match known {
            Some(known) if !is_step_advanced(fetched, known) => {
                if self.snapshots.has_step_event(&known.id) {
                    return Cow::Borrowed(known);
                }
                let mut step = fetched.clone();
                step.step_details.clone_from(&known.step_details);
                Cow::Owned(step)
            }
            _ => Cow::Borrowed(fetched),
        }
    }

    /// Returns whether a step is active although the run has settled. Tool calls stay active while
    /// the run requires their outputs.
    fn is_step_active(&self, step: &RunStep) -> bool {
        let is_pending =
            !self.has_ended() && matches!(step.step_details, StepDetails::ToolCalls(_));
        step.status == RunStepStatus::InProgress && !is_pending
    }
}

fn is_message_active(message: &Message) -> bool {
    message.status == Some(MessageStatus::InProgress)
}

/// Returns whether the fetched state of a message is more advanced than the known one.
fn is_message_advanced(fetched: &Message, known: &Message) -> bool {
    let is_longer = || json_size(&fetched.content) >= json_size(&known.content);
    !message_has_ended(known) && (message_has_ended(fetched) || is_longer())
}

fn is_step_advanced(fetched: &RunStep, known: &RunStep) -> bool {
    let is_longer = || json_size(&fetched.step_details) >= json_size(&known.step_details);
    !step_has_ended(known) && (step_has_ended(fetched) || is_longer())
}
