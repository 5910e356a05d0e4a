//! Requests that create runs, on an existing thread or together with a new one.

use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, CreateRunRequest, CreateThreadAndRunRequest,
    MessageRole, Run, RunInclude, Tool,
};
use runstep_api::{ByteStream, Operation};

use crate::client::{Client, SpanIds};
use crate::error::Result;
use crate::resources::macros::{awaitable, extra_fields, request_options};
use crate::transport::{RequestOptions, Response, checked_id};

/// A request to create a run.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateRun {
    pub(crate) client: Client,
    options: RequestOptions,
    pub(crate) thread_id: String,
    pub(crate) include: Vec<RunInclude>,
    pub(crate) body: CreateRunRequest,
}

impl CreateRun {
    pub(super) fn new(client: Client, thread_id: String, assistant_id: impl Into<String>) -> Self {
        Self {
            client,
            options: RequestOptions::default(),
            thread_id,
            include: Vec::new(),
            body: CreateRunRequest::new(assistant_id),
        }
    }

    /// Adds a tool to [`tools`](Self::tools).
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.body.tools.get_or_insert_default().push(tool.into());
        self
    }

    /// Adds a message to the thread before the run starts.
    pub fn additional_message(mut self, message: CreateMessageRequest) -> Self {
        self.body.additional_messages.get_or_insert_default().push(message);
        self
    }

    /// Adds a user message to the thread before the run starts.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.additional_message(CreateMessageRequest::new(MessageRole::User, content))
    }

    /// Requests an optional field of the reply.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.include.push(include.into());
        self
    }

    extra_fields!();
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        let (thread_id, ids) = self.prepare()?;
        let (body, include) = (&self.body, self.included());
        let call = move |api: runstep_api::Client| async move {
            api.create_run(thread_id, include, body).await
        };
        self.client.call(Operation::CreateRun, ids, &self.options, call).await
    }

    /// Sends the request and returns its reply as a stream of events.
    pub(crate) async fn open_stream(mut self) -> Result<Response<ByteStream>> {
        self.body.stream = true.into();
        self.options.streams = true;
        let (thread_id, ids) = self.prepare()?;
        let (body, include) = (&self.body, self.included());
        let call = move |api: runstep_api::Client| async move {
            api.create_run_stream(thread_id, include, body).await
        };
        self.client.open(Operation::CreateRun, ids, &self.options, call).await
    }

    fn prepare(&self) -> Result<(&str, SpanIds<'_>)> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        self.client.validate(&self.body)?;
        let assistant_id = Some(self.body.assistant_id.as_str());
        Ok((thread_id, SpanIds { assistant_id, ..SpanIds::thread(thread_id) }))
    }

    fn included(&self) -> Option<&Vec<RunInclude>> {
        (!self.include.is_empty()).then_some(&self.include)
    }
}

/// A request to create a thread and a run on it.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateThreadAndRun {
    pub(crate) client: Client,
    options: RequestOptions,
    pub(crate) body: CreateThreadAndRunRequest,
}

impl CreateThreadAndRun {
    pub(crate) fn new(client: Client, assistant_id: impl Into<String>) -> Self {
        Self {
            client,
            options: RequestOptions::default(),
            body: CreateThreadAndRunRequest::new(assistant_id),
        }
    }

    /// Adds a tool to [`tools`](Self::tools).
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.body.tools.get_or_insert_default().push(tool.into());
        self
    }

    /// Adds a message to the new thread.
    pub fn message(mut self, message: CreateMessageRequest) -> Self {
        let thread = self.body.thread.get_or_insert_default();
        thread.messages.get_or_insert_default().push(message);
        self
    }

    /// Adds a user message to the new thread.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.message(CreateMessageRequest::new(MessageRole::User, content))
    }

    extra_fields!();
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        self.client.validate(&self.body)?;
        let body = &self.body;
        let call =
            move |api: runstep_api::Client| async move { api.create_thread_and_run(body).await };
        let ids = SpanIds::assistant(&body.assistant_id);
        self.client.call(Operation::CreateThreadAndRun, ids, &self.options, call).await
    }

    /// Sends the request and returns its reply as a stream of events.
    pub(crate) async fn open_stream(mut self) -> Result<Response<ByteStream>> {
        self.body.stream = true.into();
        self.options.streams = true;
        self.client.validate(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.create_thread_and_run_stream(body).await
        };
        let ids = SpanIds::assistant(&body.assistant_id);
        self.client.open(Operation::CreateThreadAndRun, ids, &self.options, call).await
    }
}

awaitable!(CreateRun -> Run);
awaitable!(CreateThreadAndRun -> Run);
