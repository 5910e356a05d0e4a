//! Whether a poll loop fetches new steps.
//!
//! The loop is generic, so that programs that only wait for runs do not contain the decoders of steps.

use runstep_api::types::{Order, RunStep};

use crate::error::Result;
use crate::resources::Runs;
use crate::run_request::RunOptions;
use crate::transport::RequestOptions;

/// The new steps of a run, or nothing.
pub(super) trait NewSteps: Send {
    /// The steps that are new since the last poll.
    type Steps: Default + Send;

    fn new(options: &RunOptions) -> Self;

    fn are_requested(&self) -> bool;

    fn fetch(
        &mut self,
        runs: &Runs,
        run_id: &str,
        options: &RequestOptions,
    ) -> impl Future<Output = Result<Self::Steps>> + Send;

    /// Returns whether there are no new steps.
    fn are_none(steps: &Self::Steps) -> bool;
}

/// Never fetches steps.
pub(super) struct NoSteps;

impl NewSteps for NoSteps {
    type Steps = ();

    fn new(_: &RunOptions) -> Self {
        Self
    }

    fn are_requested(&self) -> bool {
        false
    }

    async fn fetch(&mut self, _: &Runs, _: &str, _: &RequestOptions) -> Result<()> {
        Ok(())
    }

    fn are_none((): &()) -> bool {
        true
    }
}

/// Fetches the steps after the last one, if the options say so.
pub(super) struct StepsAfterLast {
    are_requested: bool,
    last_step_id: Option<String>,
}

impl NewSteps for StepsAfterLast {
    type Steps = Vec<RunStep>;

    fn new(options: &RunOptions) -> Self {
        Self { are_requested: options.with_steps, last_step_id: None }
    }

    fn are_requested(&self) -> bool {
        self.are_requested
    }

    async fn fetch(
        &mut self,
        runs: &Runs,
        run_id: &str,
        options: &RequestOptions,
    ) -> Result<Vec<RunStep>> {
        if !self.are_requested {
            return Ok(Vec::new());
        }
        let list = runs.steps(run_id).list().with_options(options.clone());
        let list = list.order(Order::Asc).after(self.last_step_id.as_ref());
        let new_steps = list.readable_items().collect_all().await?;
        if let Some(last) = new_steps.last() {
            self.last_step_id = Some(last.id.clone());
        }
        Ok(new_steps)
    }

    fn are_none(steps: &Vec<RunStep>) -> bool {
        steps.is_empty()
    }
}
