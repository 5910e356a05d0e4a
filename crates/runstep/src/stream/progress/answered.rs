//! The calls whose outputs began a leg.

use runstep_api::types::{
    FunctionToolCall, RequiredFunctionToolCall, Run, RunStatus, RunStep, RunStepStatus,
};

use crate::extensions::RunExt as _;
use crate::step_calls::{function_calls, is_same};

/// The calls whose outputs began a leg; none in the first. Ids alone do not tell them from the next
/// ones, because there are servers that count them anew in each round.
#[derive(Debug, Default)]
pub(super) struct Answered {
    ids: Vec<String>,
    /// The same as the run asked for them; none if that was not told.
    calls: Vec<RequiredFunctionToolCall>,
    /// The last step with any of them, if it was told.
    step_id: Option<String>,
}

impl Answered {
    pub(super) fn with_ids(ids: Vec<String>) -> Self {
        Self { ids, ..Self::default() }
    }

    /// Those of a run that waited for them, with the steps that were told until then.
    pub(super) fn of(ids: Vec<String>, run: Option<&Run>, steps: &[RunStep]) -> Self {
        let calls = run.map(|run| run.function_calls()).unwrap_or_default().into_iter();
        let calls = calls.filter(|call| ids.contains(&call.id)).cloned().collect();
        let has_any = |step: &&RunStep| function_calls(step).any(|call| ids.contains(&call.id));
        let step_id = steps.iter().rfind(has_any).map(|step| step.id.clone());
        Self { ids, calls, step_id }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether a run with these steps is seen to wait for these calls still, as it did before.
    pub(super) fn are_waited_for(&self, run: &Run, steps: &[RunStep]) -> bool {
        let waiting = run.function_calls();
        let is_answered = |call: &&RequiredFunctionToolCall| match self.calls.is_empty() {
            true => self.ids.contains(&call.id),
            false => self.calls.contains(call),
        };
        run.status == RunStatus::RequiresAction
            && !waiting.is_empty()
            && waiting.iter().all(is_answered)
            && !self.have_come_again(&waiting, steps)
    }

    /// Whether the very same calls have come a second time: they go on in later steps.
    fn have_come_again(&self, waiting: &[&RequiredFunctionToolCall], steps: &[RunStep]) -> bool {
        let (Some(_), (Some(_), later)) = (&self.step_id, self.split(steps)) else { return false };
        let later = later.iter().filter(|step| step.status == RunStepStatus::InProgress);
        let open: Vec<&FunctionToolCall> = later.flat_map(function_calls).collect();
        waiting.iter().all(|call| open.iter().any(|open| is_same(open, call)))
    }

    /// Of all steps of a run, the one whose calls were answered when this leg began, and those that
    /// came after it.
    pub(super) fn split<'a>(&self, steps: &'a [RunStep]) -> (Option<&'a RunStep>, &'a [RunStep]) {
        let is_answered = |step: &RunStep| match &self.step_id {
            Some(id) => step.id == *id,
            None => function_calls(step).any(|call| self.ids.contains(&call.id)),
        };
        match steps.iter().rposition(is_answered) {
            Some(last) => (steps.get(last), steps.get(last + 1..).unwrap_or_default()),
            None => (None, steps),
        }
    }
}
