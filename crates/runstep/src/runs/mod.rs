//! Runs: an assistant at work on a thread.

mod create;
mod submit_tool_outputs;

use std::collections::BTreeMap;

use runstep_api::ByteStream;
use runstep_api::types::{Run, RunList, UpdateRunRequest};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::idle::{EnsureIdle, IfActive};
use crate::list::{Page, list_request};
use crate::operation::{Operation, Subject};
use crate::options::{RequestOptions, extra_fields, request_options};
use crate::poll::Poll;
use crate::request::{awaitable, example, metadata_setter};
use crate::response::Response;
use crate::steps::Steps;

pub use create::{CreateRun, CreateThreadAndRun};
pub use submit_tool_outputs::SubmitToolOutputs;

static LIST: Operation = Operation::get("threads.runs.list", "/threads/{thread_id}/runs");
static RETRIEVE: Operation =
    Operation::get("threads.runs.retrieve", "/threads/{thread_id}/runs/{run_id}");
static UPDATE: Operation =
    Operation::post("threads.runs.update", "/threads/{thread_id}/runs/{run_id}");
static CANCEL: Operation =
    Operation::post("threads.runs.cancel", "/threads/{thread_id}/runs/{run_id}/cancel");

/// The runs of a thread; see [`Client::runs`].
#[derive(Clone, Debug)]
pub struct Runs {
    client: Client,
    thread_id: String,
}

impl Runs {
    pub(crate) fn new(client: Client, thread_id: String) -> Self {
        Self { client, thread_id }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Runs an assistant on the thread: `POST /threads/{thread_id}/runs`.
    ///
    /// The reply comes at once, with the run queued: [`poll`](Self::poll) waits for it. Refused by
    /// the server while another run of the thread is active
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
let mut all = runs.list().items(); // every page, as it is needed
while let Some(run) = all.try_next().await? {
    println!(\"{} {}\", run.id, run.status);
}")]
    pub fn list(&self) -> ListRuns {
        ListRuns {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            page: Page::default(),
        }
    }

    /// Gets a run as it is now: `GET /threads/{thread_id}/runs/{run_id}`.
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

    /// Changes a run's metadata: `POST /threads/{thread_id}/runs/{run_id}`.
    ///
    #[doc = example!("let run = runs.create(&assistant.id).await?;
let run = runs.update(&run.id).metadata(\"user_id\", \"u1\").await?;
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

    /// Answers the tool calls that a run waits for:
    /// `POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs`.
    ///
    /// All outputs go in one request.
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

    /// Asks to cancel a run: `POST /threads/{thread_id}/runs/{run_id}/cancel`.
    ///
    /// An attempt: the run may still complete. [`poll`](Self::poll) waits for its end.
    ///
    #[doc = example!("let run = runs.create(&assistant.id).and_poll().await?; // waits for outputs
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

    /// Waits until a run needs action or has ended, asking again and again with
    /// `GET /threads/{thread_id}/runs/{run_id}`. See [`docs::polling`](crate::docs::polling).
    ///
    #[doc = example!("let run = runs.create(&assistant.id).await?;
let mut updates = runs.poll(&run.id).into_stream(); // each change, once
while let Some(update) = updates.try_next().await? {
    println!(\"{}\", update.status);
}")]
    pub fn poll(&self, run_id: impl Into<String>) -> Poll {
        Poll::new(self.clone(), run_id.into())
    }

    /// Makes sure that no run is active on the thread, so that it takes messages and another run.
    ///
    #[doc = example!("use runstep::IfActive;

runs.create(&assistant.id).and_poll().await?; // waits for outputs, and keeps the thread busy
let ended = runs.ensure_idle(IfActive::Cancel).await?;
assert_eq!(ended.unwrap().status, \"cancelled\");
client.messages(&thread.id).create(\"Never mind.\").await?;")]
    pub fn ensure_idle(&self, if_active: IfActive) -> EnsureIdle {
        EnsureIdle::new(self.clone(), self.thread_id.clone(), if_active)
    }

    /// The steps of a run.
    pub fn steps(&self, run_id: impl Into<String>) -> Steps {
        Steps::new(self.client.clone(), self.thread_id.clone(), run_id.into())
    }
}

/// A request for a page of runs.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListRuns {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    page: Page,
}

impl ListRuns {
    async fn execute(&self) -> Result<Response<RunList>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        self.client.check_page(self.page.limit)?;
        let page = &self.page;
        let call = move |api: runstep_api::Client| async move {
            let (after, before) = (page.after.as_deref(), page.before.as_deref());
            api.list_runs(thread_id, after, before, page.limit, page.order.as_ref()).await
        };
        self.client.call(&LIST, Subject::thread(thread_id), &self.options, call).await
    }
}

/// A request for a run.
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
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_run(thread_id, run_id).await
        };
        self.client.call(&RETRIEVE, Subject::run(thread_id, run_id), &self.options, call).await
    }
}

impl RetrieveRun {
    /// Asks for the run's events. A server that cannot tell them tells the run.
    pub(crate) async fn open(mut self) -> Result<Response<ByteStream>> {
        self.options.streams = true;
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_run_stream(thread_id, run_id).await
        };
        self.client.open(&RETRIEVE, Subject::run(thread_id, run_id), &self.options, call).await
    }
}

/// A request to change a run's metadata.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct UpdateRun {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: String,
    body: UpdateRunRequest,
}

impl UpdateRun {
    metadata_setter!(in_place);

    /// All pairs at once, in place of those given before.
    pub fn all_metadata(mut self, metadata: impl Into<BTreeMap<String, String>>) -> Self {
        self.body = self.body.metadata(metadata);
        self
    }

    extra_fields!();
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        self.client.check(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.update_run(thread_id, run_id, body).await
        };
        self.client.call(&UPDATE, Subject::run(thread_id, run_id), &self.options, call).await
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
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        let call =
            move |api: runstep_api::Client| async move { api.cancel_run(thread_id, run_id).await };
        self.client.call(&CANCEL, Subject::run(thread_id, run_id), &self.options, call).await
    }
}

list_request!(ListRuns -> RunList, Run);
awaitable!(RetrieveRun -> Run);
awaitable!(UpdateRun -> Run);
awaitable!(CancelRun -> Run);
