//! Steps: listed and read.

use runstep_api::types::{RunStep, RunStepList};

use super::{Engine, Refusal, lists, runs};
use crate::store::PageQuery;

impl Engine {
    pub(crate) fn steps(
        &self,
        thread_id: &str,
        run_id: &str,
        query: &PageQuery,
    ) -> Result<RunStepList, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let state = runs::found(&mut thread, run_id)?;
        lists::list("run step", &state.steps, query, |_| true, RunStep::clone)
    }

    pub(crate) fn step(
        &self,
        thread_id: &str,
        run_id: &str,
        step_id: &str,
    ) -> Result<RunStep, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let step = runs::found(&mut thread, run_id)?.steps.get(step_id).cloned();
        step.ok_or_else(|| Refusal::not_found("run step", step_id))
    }
}
