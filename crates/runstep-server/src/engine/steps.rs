//! Operations on run steps.

use runstep_api::types::{RunStep, RunStepList};

use super::context::Engine;
use super::error::EngineError;
use super::lists;
use super::runs::find_run;
use crate::store::PageQuery;

impl Engine {
    pub(crate) fn steps(
        &self,
        thread_id: &str,
        run_id: &str,
        query: &PageQuery,
    ) -> Result<RunStepList, EngineError> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let state = find_run(&mut thread, run_id)?;
        lists::list("run step", &state.steps, query, |_| true, RunStep::clone)
    }

    pub(crate) fn step(
        &self,
        thread_id: &str,
        run_id: &str,
        step_id: &str,
    ) -> Result<RunStep, EngineError> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let step = find_run(&mut thread, run_id)?.steps.get(step_id).cloned();
        step.ok_or_else(|| EngineError::not_found("run step", step_id))
    }
}
