//! Threads: conversations that runs work on.

use std::collections::BTreeMap;

use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, CreateThreadRequest, CreateToolResources,
    DeletedThread, MessageRole, Thread, ToolResources, UpdateThreadRequest,
};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::operation::{Operation, Subject};
use crate::options::{RequestOptions, extra_fields, request_options};
use crate::request::{awaitable, body_setters, example, metadata_setter};
use crate::response::Response;
pub use crate::runs::CreateThreadAndRun;

static CREATE: Operation = Operation::post("threads.create", "/threads");
static RETRIEVE: Operation = Operation::get("threads.retrieve", "/threads/{thread_id}");
static UPDATE: Operation = Operation::post("threads.update", "/threads/{thread_id}");
static DELETE: Operation = Operation::delete("threads.delete", "/threads/{thread_id}");

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
        CreateThread {
            client: self.client.clone(),
            options: RequestOptions::default(),
            body: CreateThreadRequest::default(),
        }
    }

    /// Gets a thread: `GET /threads/{thread_id}`.
    pub fn retrieve(&self, thread_id: impl Into<String>) -> RetrieveThread {
        RetrieveThread {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: thread_id.into(),
        }
    }

    /// Changes a thread: `POST /threads/{thread_id}`.
    pub fn update(&self, thread_id: impl Into<String>) -> UpdateThread {
        UpdateThread {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: thread_id.into(),
            body: UpdateThreadRequest::default(),
        }
    }

    /// Deletes a thread: `DELETE /threads/{thread_id}`.
    pub fn delete(&self, thread_id: impl Into<String>) -> DeleteThread {
        DeleteThread {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: thread_id.into(),
        }
    }

    /// Creates a thread and runs an assistant on it, in one request: `POST /threads/runs`.
    ///
    #[doc = example!("let run = client
    .threads()
    .create_and_run(&assistant.id)
    .user_message(\"Explain deep learning to a 5 year old.\")
    .and_poll()
    .await?;
println!(\"{} on {}\", run.status, run.thread_id);")]
    pub fn create_and_run(&self, assistant_id: impl Into<String>) -> CreateThreadAndRun {
        CreateThreadAndRun::new(self.client.clone(), assistant_id)
    }
}

/// A request to create a thread.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateThread {
    client: Client,
    options: RequestOptions,
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

    extra_fields!();
    request_options!(Thread);

    async fn execute(&self) -> Result<Response<Thread>> {
        self.client.check(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move { api.create_thread(body).await };
        self.client.call(&CREATE, Subject::default(), &self.options, call).await
    }
}

/// A request for a thread.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveThread {
    client: Client,
    options: RequestOptions,
    thread_id: String,
}

impl RetrieveThread {
    request_options!(Thread);

    async fn execute(&self) -> Result<Response<Thread>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let call =
            move |api: runstep_api::Client| async move { api.retrieve_thread(thread_id).await };
        self.client.call(&RETRIEVE, Subject::thread(thread_id), &self.options, call).await
    }
}

/// A request to change a thread.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct UpdateThread {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    body: UpdateThreadRequest,
}

/// A request to delete a thread.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct DeleteThread {
    client: Client,
    options: RequestOptions,
    thread_id: String,
}

impl UpdateThread {
    body_setters! {
        /// Files for the built-in tools, in place of those that are there.
        tool_resources: ToolResources,
    }

    metadata_setter!(in_place);

    /// All pairs at once, in place of those that are there and of those given before.
    pub fn all_metadata(mut self, metadata: impl Into<BTreeMap<String, String>>) -> Self {
        self.body = self.body.metadata(metadata);
        self
    }

    extra_fields!();
    request_options!(Thread);

    async fn execute(&self) -> Result<Response<Thread>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        self.client.check(&self.body)?;
        let body = &self.body;
        let call =
            move |api: runstep_api::Client| async move { api.update_thread(thread_id, body).await };
        self.client.call(&UPDATE, Subject::thread(thread_id), &self.options, call).await
    }
}

impl DeleteThread {
    request_options!(DeletedThread);

    async fn execute(&self) -> Result<Response<DeletedThread>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let call =
            move |api: runstep_api::Client| async move { api.delete_thread(thread_id).await };
        self.client.call(&DELETE, Subject::thread(thread_id), &self.options, call).await
    }
}

awaitable!(CreateThread -> Thread);
awaitable!(RetrieveThread -> Thread);
awaitable!(UpdateThread -> Thread);
awaitable!(DeleteThread -> DeletedThread);
