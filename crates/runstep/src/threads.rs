//! Threads: conversations that runs work on.

use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, CreateThreadAndRunRequest, CreateThreadRequest,
    CreateToolResources, MessageRole, Run, Thread, ToolResources,
};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::request::{awaitable, body_setters, call, metadata_setter};
use crate::runs::run_setters;

/// The threads of a server; see [`Client::threads`].
#[derive(Clone, Debug)]
pub struct Threads {
    client: Client,
}

impl Threads {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates a thread: `POST /threads`.
    pub fn create(&self) -> CreateThread {
        CreateThread { client: self.client.clone(), body: CreateThreadRequest::default() }
    }

    /// Gets a thread: `GET /threads/{thread_id}`.
    pub fn retrieve(&self, thread_id: impl Into<String>) -> RetrieveThread {
        RetrieveThread { client: self.client.clone(), thread_id: thread_id.into() }
    }

    /// Creates a thread and runs an assistant on it, in one request: `POST /threads/runs`.
    pub fn create_and_run(&self, assistant_id: impl Into<String>) -> CreateThreadAndRun {
        CreateThreadAndRun {
            client: self.client.clone(),
            body: CreateThreadAndRunRequest::new(assistant_id),
        }
    }
}

/// A request to create a thread.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateThread {
    client: Client,
    body: CreateThreadRequest,
}

impl CreateThread {
    body_setters! {
        /// Files for the built-in tools. Default: none.
        tool_resources: CreateToolResources,
    }

    metadata_setter!();

    /// Adds a message to begin with.
    pub fn message(mut self, message: CreateMessageRequest) -> Self {
        self.body.messages.get_or_insert_default().push(message);
        self
    }

    /// Adds a message of the user to begin with.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.message(CreateMessageRequest::new(MessageRole::User, content))
    }

    async fn send(self) -> Result<Thread> {
        Ok(call!(self.client, create_thread(&self.body))?.value)
    }
}

/// A request for a thread.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveThread {
    client: Client,
    thread_id: String,
}

impl RetrieveThread {
    async fn send(self) -> Result<Thread> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        Ok(call!(self.client, retrieve_thread(thread_id))?.value)
    }
}

/// A request to create a thread and run an assistant on it.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateThreadAndRun {
    client: Client,
    body: CreateThreadAndRunRequest,
}

impl CreateThreadAndRun {
    run_setters!();

    body_setters! {
        /// Files for the built-in tools, for this run. Default: the assistant's.
        tool_resources: ToolResources,
        /// The thread to create. Default: an empty one.
        thread: CreateThreadRequest,
    }

    /// Adds a message to the new thread.
    pub fn message(mut self, message: CreateMessageRequest) -> Self {
        let thread = self.body.thread.get_or_insert_default();
        thread.messages.get_or_insert_default().push(message);
        self
    }

    /// Adds a message of the user to the new thread.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.message(CreateMessageRequest::new(MessageRole::User, content))
    }

    async fn send(self) -> Result<Run> {
        Ok(call!(self.client, create_thread_and_run(&self.body))?.value)
    }
}

awaitable!(CreateThread -> Thread);
awaitable!(RetrieveThread -> Thread);
awaitable!(CreateThreadAndRun -> Run);
