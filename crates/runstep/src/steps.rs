//! Steps: what a run did, one by one.

use runstep_api::types::{RunInclude, RunStep, RunStepList};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::request::{Page, awaitable, call, page_setters};

/// The steps of a run; see [`Runs::steps`](crate::Runs::steps).
#[derive(Clone, Debug)]
pub struct Steps {
    client: Client,
    thread_id: String,
    run_id: String,
}

impl Steps {
    pub(crate) fn new(client: Client, thread_id: String, run_id: String) -> Self {
        Self { client, thread_id, run_id }
    }

    /// A page of steps: `GET /threads/{thread_id}/runs/{run_id}/steps`.
    pub fn list(&self) -> ListSteps {
        ListSteps {
            client: self.client.clone(),
            thread_id: self.thread_id.clone(),
            run_id: self.run_id.clone(),
            include: Vec::new(),
            page: Page::default(),
        }
    }

    /// Gets a step: `GET /threads/{thread_id}/runs/{run_id}/steps/{step_id}`.
    pub fn retrieve(&self, step_id: impl Into<String>) -> RetrieveStep {
        RetrieveStep {
            client: self.client.clone(),
            thread_id: self.thread_id.clone(),
            run_id: self.run_id.clone(),
            step_id: step_id.into(),
            include: Vec::new(),
        }
    }
}

/// A request for a page of steps.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListSteps {
    client: Client,
    thread_id: String,
    run_id: String,
    include: Vec<RunInclude>,
    page: Page,
}

impl ListSteps {
    page_setters!();

    /// Asks for what a reply otherwise leaves out.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.include.push(include.into());
        self
    }

    async fn send(self) -> Result<RunStepList> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        let include = (!self.include.is_empty()).then_some(&self.include);
        let page = &self.page;
        let reply = call!(
            self.client,
            list_run_steps(
                thread_id,
                run_id,
                page.after.as_deref(),
                page.before.as_deref(),
                include,
                page.limit,
                page.order.as_ref(),
            )
        );
        Ok(reply?.value)
    }
}

/// A request for a step.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveStep {
    client: Client,
    thread_id: String,
    run_id: String,
    step_id: String,
    include: Vec<RunInclude>,
}

impl RetrieveStep {
    /// Asks for what a reply otherwise leaves out.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.include.push(include.into());
        self
    }

    async fn send(self) -> Result<RunStep> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        let step_id = id::checked("step_id", &self.step_id)?;
        let include = (!self.include.is_empty()).then_some(&self.include);
        Ok(call!(self.client, retrieve_run_step(thread_id, run_id, step_id, include))?.value)
    }
}

awaitable!(ListSteps -> RunStepList);
awaitable!(RetrieveStep -> RunStep);
