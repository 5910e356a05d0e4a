//! Runs: an assistant at work on a thread.

use std::collections::BTreeMap;

use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, CreateRunRequest, MessageRole, ReasoningEffort,
    Run, RunInclude, RunList, SubmitToolOutputsRequest, ToolOutput, UpdateRunRequest,
};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::poll::Poll;
use crate::request::{Page, awaitable, body_setters, call, metadata_setter, page_setters};
use crate::steps::Steps;

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

    /// Runs an assistant on the thread: `POST /threads/{thread_id}/runs`.
    ///
    /// The reply comes at once, with the run queued: [`poll`](Self::poll) waits for it. Refused by
    /// the server while another run of the thread is active.
    pub fn create(&self, assistant_id: impl Into<String>) -> CreateRun {
        CreateRun {
            client: self.client.clone(),
            thread_id: self.thread_id.clone(),
            include: Vec::new(),
            body: CreateRunRequest::new(assistant_id),
        }
    }

    /// A page of runs: `GET /threads/{thread_id}/runs`.
    pub fn list(&self) -> ListRuns {
        ListRuns {
            client: self.client.clone(),
            thread_id: self.thread_id.clone(),
            page: Page::default(),
        }
    }

    /// Gets a run as it is now: `GET /threads/{thread_id}/runs/{run_id}`.
    pub fn retrieve(&self, run_id: impl Into<String>) -> RetrieveRun {
        RetrieveRun {
            client: self.client.clone(),
            thread_id: self.thread_id.clone(),
            run_id: run_id.into(),
        }
    }

    /// Changes a run's metadata: `POST /threads/{thread_id}/runs/{run_id}`.
    pub fn update(&self, run_id: impl Into<String>) -> UpdateRun {
        UpdateRun {
            client: self.client.clone(),
            thread_id: self.thread_id.clone(),
            run_id: run_id.into(),
            body: UpdateRunRequest::default(),
        }
    }

    /// Answers the tool calls that a run waits for:
    /// `POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs`.
    ///
    /// All outputs go in one request.
    pub fn submit_tool_outputs(&self, run_id: impl Into<String>) -> SubmitToolOutputs {
        SubmitToolOutputs {
            client: self.client.clone(),
            thread_id: self.thread_id.clone(),
            run_id: run_id.into(),
            body: SubmitToolOutputsRequest::new(Vec::new()),
        }
    }

    /// Asks to cancel a run: `POST /threads/{thread_id}/runs/{run_id}/cancel`.
    ///
    /// An attempt: the run may still complete. [`poll`](Self::poll) waits for its end.
    pub fn cancel(&self, run_id: impl Into<String>) -> CancelRun {
        CancelRun {
            client: self.client.clone(),
            thread_id: self.thread_id.clone(),
            run_id: run_id.into(),
        }
    }

    /// Waits until a run needs action or has ended, asking again and again with
    /// `GET /threads/{thread_id}/runs/{run_id}`.
    pub fn poll(&self, run_id: impl Into<String>) -> Poll {
        Poll::new(self.clone(), run_id.into())
    }

    /// The steps of a run.
    pub fn steps(&self, run_id: impl Into<String>) -> Steps {
        Steps::new(self.client.clone(), self.thread_id.clone(), run_id.into())
    }
}

/// What can be set for a run, whether its thread is there or comes with it.
macro_rules! run_setters {
    () => {
        $crate::request::body_setters! {
            /// The model, in place of the assistant's.
            model: String,
            /// The instructions, in place of the assistant's.
            instructions: String,
            /// The tools, at most 20, in place of the assistant's. An empty list means none.
            tools: Vec<runstep_api::types::Tool>,
            /// Sampling temperature, 0 to 2. Default: the assistant's.
            temperature: f64,
            /// Nucleus sampling, 0 to 1. Default: the assistant's.
            top_p: f64,
            /// Which messages of the thread the model sees. Default: as many as it can take.
            truncation_strategy: runstep_api::types::TruncationStrategy,
            /// Whether the model may, must or must not call tools. Default: it decides.
            tool_choice: runstep_api::types::ToolChoice,
            /// Whether the model may call several functions at once. Default: yes.
            parallel_tool_calls: bool,
            /// The form of the answer. Default: the assistant's.
            response_format: runstep_api::types::ResponseFormat,
        }

        /// How many tokens of the thread the run may read in all, at least 256; past them it
        /// ends `incomplete`. Default: no limit.
        pub fn max_prompt_tokens(mut self, max_prompt_tokens: u64) -> Self {
            self.body = self.body.max_prompt_tokens(max_prompt_tokens);
            self
        }

        /// How many tokens the run may write in all, at least 256; past them it ends
        /// `incomplete`. Default: no limit.
        pub fn max_completion_tokens(mut self, max_completion_tokens: u64) -> Self {
            self.body = self.body.max_completion_tokens(max_completion_tokens);
            self
        }

        $crate::request::metadata_setter!();
    };
}
pub(crate) use run_setters;

/// A request to run an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateRun {
    client: Client,
    thread_id: String,
    include: Vec<RunInclude>,
    body: CreateRunRequest,
}

impl CreateRun {
    run_setters!();

    body_setters! {
        /// How much effort a reasoning model takes. Default: the assistant's.
        reasoning_effort: ReasoningEffort,
        /// What the model is told after the instructions, for this run. Default: nothing.
        additional_instructions: String,
    }

    /// Adds a message to the thread before the run starts.
    pub fn additional_message(mut self, message: CreateMessageRequest) -> Self {
        self.body.additional_messages.get_or_insert_default().push(message);
        self
    }

    /// Adds a message of the user to the thread before the run starts.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.additional_message(CreateMessageRequest::new(MessageRole::User, content))
    }

    /// Asks for what a reply otherwise leaves out.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.include.push(include.into());
        self
    }

    async fn send(self) -> Result<Run> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let include = (!self.include.is_empty()).then_some(&self.include);
        Ok(call!(self.client, create_run(thread_id, include, &self.body))?.value)
    }
}

/// A request for a page of runs.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListRuns {
    client: Client,
    thread_id: String,
    page: Page,
}

impl ListRuns {
    page_setters!();

    async fn send(self) -> Result<RunList> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let page = &self.page;
        let reply = call!(
            self.client,
            list_runs(
                thread_id,
                page.after.as_deref(),
                page.before.as_deref(),
                page.limit,
                page.order.as_ref(),
            )
        );
        Ok(reply?.value)
    }
}

/// A request for a run.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveRun {
    client: Client,
    thread_id: String,
    run_id: String,
}

impl RetrieveRun {
    async fn send(self) -> Result<Run> {
        Ok(self.reply().await?.value)
    }

    /// The run, with the headers that came with it.
    pub(crate) async fn reply(self) -> Result<crate::reply::Reply<Run>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        call!(self.client, retrieve_run(thread_id, run_id))
    }
}

/// A request to change a run's metadata.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct UpdateRun {
    client: Client,
    thread_id: String,
    run_id: String,
    body: UpdateRunRequest,
}

impl UpdateRun {
    metadata_setter!();

    /// All pairs at once, in place of those given before.
    pub fn all_metadata(mut self, metadata: impl Into<BTreeMap<String, String>>) -> Self {
        self.body = self.body.metadata(metadata);
        self
    }

    async fn send(self) -> Result<Run> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        Ok(call!(self.client, update_run(thread_id, run_id, &self.body))?.value)
    }
}

/// A request that answers tool calls.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct SubmitToolOutputs {
    client: Client,
    thread_id: String,
    run_id: String,
    body: SubmitToolOutputsRequest,
}

impl SubmitToolOutputs {
    /// Adds the output of a call.
    pub fn output(mut self, tool_call_id: impl Into<String>, output: impl Into<String>) -> Self {
        let output = ToolOutput::default().tool_call_id(tool_call_id).output(output);
        self.body.tool_outputs.push(output);
        self
    }

    /// Adds the outputs of several calls.
    pub fn outputs(mut self, outputs: impl IntoIterator<Item = ToolOutput>) -> Self {
        self.body.tool_outputs.extend(outputs);
        self
    }

    async fn send(self) -> Result<Run> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        Ok(call!(self.client, submit_tool_outputs(thread_id, run_id, &self.body))?.value)
    }
}

/// A request to cancel a run.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CancelRun {
    client: Client,
    thread_id: String,
    run_id: String,
}

impl CancelRun {
    async fn send(self) -> Result<Run> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        Ok(call!(self.client, cancel_run(thread_id, run_id))?.value)
    }
}

awaitable!(CreateRun -> Run);
awaitable!(ListRuns -> RunList);
awaitable!(RetrieveRun -> Run);
awaitable!(UpdateRun -> Run);
awaitable!(SubmitToolOutputs -> Run);
awaitable!(CancelRun -> Run);
