//! Operations on the steps of a run.

use runstep_api::types::RunStep;

use super::requests::{ListRunSteps, RetrieveRunStep};
use crate::arguments::IntoId;
use crate::client::Client;

/// Operations on the steps of a run; see [`Runs::steps`](crate::Runs::steps).
#[derive(Clone, Debug)]
pub struct Steps {
    pub(super) client: Client,
    pub(super) thread_id: String,
    pub(super) run_id: String,
}

impl Steps {
    /// Lists steps: `GET /threads/{thread_id}/runs/{run_id}/steps`.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use runstep::types::Order;
    ///
    /// let run = runs.create(&assistant.id).and_poll().await?;
    /// let mut steps = runs.steps(&run.id).list().order(Order::Asc).items(); // fetches further pages as needed
    /// while let Some(step) = steps.try_next().await? {
    ///     println!("{} {}", step.id, step.status);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns the errors of every request; see
    /// [`docs::errors`](crate::docs::errors).
    pub fn list(&self) -> ListRunSteps {
        ListRunSteps::new(&self.client, &self.thread_id, &self.run_id)
    }

    /// Retrieves a step: `GET /threads/{thread_id}/runs/{run_id}/steps/{step_id}`.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// let run = runs.create(&assistant.id).and_poll().await?;
    /// let steps = runs.steps(&run.id);
    /// let page = steps.list().await?;
    /// let step = steps.retrieve(&page.data[0].id).await?;
    /// assert_eq!(step.run_id, run.id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn retrieve(&self, step_id: impl IntoId<RunStep>) -> RetrieveRunStep {
        RetrieveRunStep::new(&self.client, &self.thread_id, &self.run_id, step_id.into_id())
    }
}
