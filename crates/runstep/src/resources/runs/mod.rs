//! Operations on the runs of a thread.

mod create;
mod submit_tool_outputs;

use runstep_api::types::{Run, RunList, UpdateRunRequest};
use runstep_api::{ByteStream, Operation};

use crate::client::{Client, SpanIds};
use crate::error::Result;
use crate::pagination::{PageQuery, list_request};
use crate::resources::macros::{awaitable, example, extra_fields, request_options};
use crate::resources::steps::Steps;
use crate::transport::{RequestOptions, Response, checked_id};

pub use create::{CreateRun, CreateThreadAndRun};
pub use submit_tool_outputs::SubmitToolOutputs;

/// Operations on the runs of a thread; see [`Client::runs`].
#[derive(Clone, Debug)]
pub struct Runs {
    client: Client,
    thread_id: String,
}

impl Client {
    /// Returns the operations on the runs of a thread.
    pub fn runs(&self, thread_id: impl Into<String>) -> Runs {
        Runs::new(self.clone(), thread_id.into())
    }
}

impl Runs {
    pub(crate) fn new(client: Client, thread_id: String) -> Self {
        Self { client, thread_id }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn thread_id(&self) -> &str {
        &self.thread_id
    }

    /// Creates a run: `POST /threads/{thread_id}/runs`.
    ///
    /// The reply contains the queued run; [`poll`](Self::poll) waits for it. The server rejects the
    /// request while another run of the thread is active
    /// ([`Error::is_active_run`](crate::Error::is_active_run)).
    ///
    #[doc = example!("let run = runs.create(&assistant.id).additional_instructions(\"Be brief.\").await?;
assert_eq!(run.status, \"queued\");")]
    pub fn create(&self, assistant_id: impl Into<String>) -> CreateRun {
        CreateRun::new(self.client.clone(), self.thread_id.clone(), assistant_id)
    }

    /// Lists runs: `GET /threads/{thread_id}/runs`.
    ///
    #[doc = example!("runs.create(&assistant.id).and_poll().await?;
let page = runs.list().limit(50).page().await?;
assert_eq!(page.data.len(), 1);
let mut all = runs.list().items(); // fetches further pages as needed
while let Some(run) = all.try_next().await? {
    println!(\"{} {}\", run.id, run.status);
}")]
    pub fn list(&self) -> ListRuns {
        ListRuns {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            page: PageQuery::default(),
        }
    }

    /// Retrieves a run: `GET /threads/{thread_id}/runs/{run_id}`.
    ///
    #[doc = example!("let created = runs.create(&assistant.id).await?;
let run = runs.retrieve(&created.id).await?;
assert_eq!(run.id, created.id);")]
    pub fn retrieve(&self, run_id: impl Into<String>) -> RetrieveRun {
        RetrieveRun {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            run_id: run_id.into(),
        }
    }

    /// Updates the metadata of a run: `POST /threads/{thread_id}/runs/{run_id}`.
    ///
    #[doc = example!("let run = runs.create(&assistant.id).await?;
let run = runs.update(&run.id).metadata_entry(\"user_id\", \"u1\").await?;
assert_eq!(run.metadata.unwrap_or_default()[\"user_id\"], \"u1\");")]
    pub fn update(&self, run_id: impl Into<String>) -> UpdateRun {
        UpdateRun {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            run_id: run_id.into(),
            body: UpdateRunRequest::default(),
        }
    }

    /// Submits outputs for all tool calls that a run requires:
    /// `POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs`.
    ///
    #[doc = example!("let run = runs.create(&assistant.id).and_poll().await?;
let mut outputs = runs.submit_tool_outputs(&run.id);
for call in run.function_calls() {
    outputs = outputs.output(&call.id, \"18 degrees\");
}
let run = outputs.and_poll().await?;
assert_eq!(run.status, \"completed\");")]
    pub fn submit_tool_outputs(&self, run_id: impl Into<String>) -> SubmitToolOutputs {
        SubmitToolOutputs::new(self.client.clone(), self.thread_id.clone(), run_id.into())
    }

    /// Cancels a run: `POST /threads/{thread_id}/runs/{run_id}/cancel`.
    ///
    /// The run may still complete. [`poll`](Self::poll) waits until it has ended.
    ///
    #[doc = example!("let run = runs.create(&assistant.id).and_poll().await?; // requires action
runs.cancel(&run.id).await?;
let run = runs.poll(&run.id).await?;
assert_eq!(run.status, \"cancelled\");")]
    pub fn cancel(&self, run_id: impl Into<String>) -> CancelRun {
        CancelRun {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            run_id: run_id.into(),
        }
    }

    /// Returns the operations on the steps of a run.
    pub fn steps(&self, run_id: impl Into<String>) -> Steps {
        Steps::new(self.client.clone(), self.thread_id.clone(), run_id.into())
    }
}

/// A request to list runs.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListRuns {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    page: PageQuery,
}

impl ListRuns {
    async fn execute(&self) -> Result<Response<RunList>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        self.client.validate_page_limit(self.page.limit)?;
        let page = &self.page;
        let call = move |api: runstep_api::Client| async move {
            let (after, before) = (page.after.as_deref(), page.before.as_deref());
            api.list_runs(thread_id, after, before, page.limit, page.order.as_ref()).await
        };
        self.client.call(Operation::ListRuns, SpanIds::thread(thread_id), &self.options, call).await
    }
}

/// A request to retrieve a run.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveRun {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: String,
}

impl RetrieveRun {
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let run_id = checked_id("run_id", &self.run_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_run(thread_id, run_id).await
        };
        self.client
            .call(Operation::RetrieveRun, SpanIds::run(thread_id, run_id), &self.options, call)
            .await
    }
}

impl RetrieveRun {
    /// Requests the events of the run. Servers without support for that return the run.
    pub(crate) async fn open_stream(mut self) -> Result<Response<ByteStream>> {
        self.options.streams = true;
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let run_id = checked_id("run_id", &self.run_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_run_stream(thread_id, run_id).await
        };
        self.client
            .open(Operation::RetrieveRun, SpanIds::run(thread_id, run_id), &self.options, call)
            .await
    }
}

/// A request to update the metadata of a run.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct UpdateRun {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: String,
    pub(crate) body: UpdateRunRequest,
}

impl UpdateRun {
    extra_fields!();
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let run_id = checked_id("run_id", &self.run_id)?;
        self.client.validate(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.update_run(thread_id, run_id, body).await
        };
        self.client
            .call(Operation::UpdateRun, SpanIds::run(thread_id, run_id), &self.options, call)
            .await
    }
}

/// A request to cancel a run.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CancelRun {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: String,
}

impl CancelRun {
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let run_id = checked_id("run_id", &self.run_id)?;
        let call =
            move |api: runstep_api::Client| async move { api.cancel_run(thread_id, run_id).await };
        self.client
            .call(Operation::CancelRun, SpanIds::run(thread_id, run_id), &self.options, call)
            .await
    }
}

list_request!(ListRuns -> RunList, Run);
awaitable!(RetrieveRun -> Run);
awaitable!(UpdateRun -> Run);
awaitable!(CancelRun -> Run);
