//! Steps: what a run did, one by one.

use runstep_api::types::{RunInclude, RunStep, RunStepList};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::list::{Page, list_request};
use crate::operation::{Operation, Subject};
use crate::options::{RequestOptions, request_options};
use crate::request::{awaitable, example};
use crate::response::Response;

static LIST: Operation =
    Operation::get("threads.runs.steps.list", "/threads/{thread_id}/runs/{run_id}/steps");
static RETRIEVE: Operation = Operation::get(
    "threads.runs.steps.retrieve",
    "/threads/{thread_id}/runs/{run_id}/steps/{step_id}",
);

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

    /// Lists steps: `GET /threads/{thread_id}/runs/{run_id}/steps`.
    ///
    #[doc = example!("use runstep::types::Order;

let run = runs.create(&assistant.id).and_poll().await?;
let mut steps = runs.steps(&run.id).list().order(Order::Asc).items(); // every page, lazily
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
            page: Page::default(),
        }
    }

    /// Gets a step: `GET /threads/{thread_id}/runs/{run_id}/steps/{step_id}`.
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

/// A request for a page of steps.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListSteps {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: String,
    include: Vec<RunInclude>,
    page: Page,
}

impl ListSteps {
    /// Asks for what a reply otherwise leaves out.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.include.push(include.into());
        self
    }

    async fn execute(&self) -> Result<Response<RunStepList>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        self.client.check_page(self.page.limit)?;
        let include = (!self.include.is_empty()).then_some(&self.include);
        let page = &self.page;
        let call = move |api: runstep_api::Client| async move {
            let (after, before) = (page.after.as_deref(), page.before.as_deref());
            let order = page.order.as_ref();
            api.list_run_steps(thread_id, run_id, after, before, include, page.limit, order).await
        };
        self.client.call(&LIST, Subject::run(thread_id, run_id), &self.options, call).await
    }
}

/// A request for a step.
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
    /// Asks for what a reply otherwise leaves out.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.include.push(include.into());
        self
    }

    request_options!(RunStep);

    async fn execute(&self) -> Result<Response<RunStep>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        let step_id = id::checked("step_id", &self.step_id)?;
        let include = (!self.include.is_empty()).then_some(&self.include);
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_run_step(thread_id, run_id, step_id, include).await
        };
        let subject = Subject::step(thread_id, run_id, step_id);
        self.client.call(&RETRIEVE, subject, &self.options, call).await
    }
}

list_request!(ListSteps -> RunStepList, RunStep);
awaitable!(RetrieveStep -> RunStep);
