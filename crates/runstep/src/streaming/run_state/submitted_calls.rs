//! The calls whose outputs started the current segment.

use runstep_api::types::{
    FunctionToolCall, RequiredFunctionToolCall, Run, RunStatus, RunStep, RunStepStatus,
};

use crate::step_calls::{function_calls, is_same_call};

/// The calls whose outputs started the current segment; empty in the first segment.
///
/// Ids alone do not distinguish them from later calls, because some servers reuse ids in each round.
#[derive(Debug, Default)]
pub(super) struct SubmittedCalls {
    ids: Vec<String>,
    /// The calls as the run required them; empty if that event was not received.
    calls: Vec<RequiredFunctionToolCall>,
    /// The last step that contains one of the calls, if it was received.
    step_id: Option<String>,
}

impl SubmittedCalls {
    pub(super) fn from_ids(ids: Vec<String>) -> Self {
        Self { ids, ..Self::default() }
    }

    /// Creates the calls from the run that required them and the steps so far.
    pub(super) fn new(ids: Vec<String>, run: Option<&Run>, steps: &[RunStep]) -> Self {
        let calls = run.map(|run| run.function_calls()).unwrap_or_default().into_iter();
        let calls = calls.filter(|call| ids.contains(&call.id)).cloned().collect();
        let contains_any =
            |step: &&RunStep| function_calls(step).any(|call| ids.contains(&call.id));
        let step_id = steps.iter().rfind(contains_any).map(|step| step.id.clone());
        Self { ids, calls, step_id }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns whether a fetched run still requires these calls, so that its state is stale.
    pub(super) fn are_pending(&self, run: &Run, steps: &[RunStep]) -> bool {
        let required = run.function_calls();
        let is_submitted = |call: &&RequiredFunctionToolCall| match self.calls.is_empty() {
            true => self.ids.contains(&call.id),
            false => self.calls.contains(call),
        };
        run.status == RunStatus::RequiresAction
            && !required.is_empty()
            && required.iter().all(is_submitted)
            && !self.are_repeated(&required, steps)
    }

    /// Returns whether a later step repeats exactly these calls.
    fn are_repeated(&self, required: &[&RequiredFunctionToolCall], steps: &[RunStep]) -> bool {
        let (Some(_), (Some(_), later)) = (&self.step_id, self.split(steps)) else { return false };
        let later = later.iter().filter(|step| step.status == RunStepStatus::InProgress);
        let pending: Vec<&FunctionToolCall> = later.flat_map(function_calls).collect();
        required.iter().all(|call| pending.iter().any(|pending| is_same_call(pending, call)))
    }

    /// Splits the steps of a run: the step with the submitted calls, and the steps after it.
    pub(super) fn split<'a>(&self, steps: &'a [RunStep]) -> (Option<&'a RunStep>, &'a [RunStep]) {
        let is_submitted = |step: &RunStep| match &self.step_id {
            Some(id) => step.id == *id,
            None => function_calls(step).any(|call| self.ids.contains(&call.id)),
        };
        match steps.iter().rposition(is_submitted) {
            Some(last) => (steps.get(last), steps.get(last + 1..).unwrap_or_default()),
            None => (None, steps),
        }
    }
}
