//! Operations on the steps of a run.

use runstep_api::Operation;
use runstep_api::types::{RunInclude, RunStep, RunStepList};

use crate::client::{Client, SpanIds};
use crate::error::Result;
use crate::pagination::{PageQuery, list_request};
use crate::resources::macros::{awaitable, example, request_options};
use crate::transport::{RequestOptions, Response, checked_id};

/// Operations on the steps of a run; see [`Runs::steps`](crate::Runs::steps).
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

    /// Lists steps: `GET /threads/{thread_id}/runs/{run_id}/steps`.
    ///
    #[doc = example!("use runstep::types::Order;

let run = runs.create(&assistant.id).and_poll().await?;
let mut steps = runs.steps(&run.id).list().order(Order::Asc).items(); // fetches further pages as needed
while let Some(step) = steps.try_next().await? {
    println!(\"{} {}\", step.type_, step.status);
}")]
    pub fn list(&self) -> ListSteps {
        ListSteps {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            run_id: self.run_id.clone(),
            include: Vec::new(),
            page: PageQuery::default(),
        }
    }

    /// Retrieves a step: `GET /threads/{thread_id}/runs/{run_id}/steps/{step_id}`.
    ///
    #[doc = example!("let run = runs.create(&assistant.id).and_poll().await?;
let steps = runs.steps(&run.id);
let page = steps.list().await?;
let step = steps.retrieve(&page.data[0].id).await?;
assert_eq!(step.run_id, run.id);")]
    pub fn retrieve(&self, step_id: impl Into<String>) -> RetrieveStep {
        RetrieveStep {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            run_id: self.run_id.clone(),
            step_id: step_id.into(),
            include: Vec::new(),
        }
    }
}

/// A request to list steps.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListSteps {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: String,
    include: Vec<RunInclude>,
    page: PageQuery,
}

impl ListSteps {
    /// Requests an optional field of the reply.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.include.push(include.into());
        self
    }

    async fn execute(&self) -> Result<Response<RunStepList>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let run_id = checked_id("run_id", &self.run_id)?;
        self.client.validate_page_limit(self.page.limit)?;
        let include = (!self.include.is_empty()).then_some(&self.include);
        let page = &self.page;
        let call = move |api: runstep_api::Client| async move {
            let (after, before) = (page.after.as_deref(), page.before.as_deref());
            let order = page.order.as_ref();
            api.list_run_steps(thread_id, run_id, after, before, include, page.limit, order).await
        };
        self.client
            .call(Operation::ListRunSteps, SpanIds::run(thread_id, run_id), &self.options, call)
            .await
    }
}

/// A request to retrieve a step.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveStep {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: String,
    step_id: String,
    include: Vec<RunInclude>,
}

impl RetrieveStep {
    /// Requests an optional field of the reply.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.include.push(include.into());
        self
    }

    request_options!(RunStep);

    async fn execute(&self) -> Result<Response<RunStep>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let run_id = checked_id("run_id", &self.run_id)?;
        let step_id = checked_id("step_id", &self.step_id)?;
        let include = (!self.include.is_empty()).then_some(&self.include);
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_run_step(thread_id, run_id, step_id, include).await
        };
        let ids = SpanIds::step(thread_id, run_id, step_id);
        self.client.call(Operation::RetrieveRunStep, ids, &self.options, call).await
    }
}

list_request!(ListSteps -> RunStepList, RunStep);
awaitable!(RetrieveStep -> RunStep);
