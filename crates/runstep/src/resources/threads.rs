//! Operations on threads: conversations that runs work on.

use runstep_api::Operation;
use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, CreateThreadRequest, DeletedThread, MessageRole,
    Thread, UpdateThreadRequest,
};

use super::runs::CreateThreadAndRun;
use crate::client::{Client, SpanIds};
use crate::error::Result;
use crate::resources::macros::{awaitable, example, extra_fields, request_options};
use crate::transport::{RequestOptions, Response, checked_id};

/// Operations on threads; see [`Client::threads`].
#[derive(Clone, Debug)]
pub struct Threads {
    client: Client,
}

impl Client {
    /// Returns the operations on threads.
    pub fn threads(&self) -> Threads {
        Threads::new(self.clone())
    }
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

    /// Retrieves a thread: `GET /threads/{thread_id}`.
    pub fn retrieve(&self, thread_id: impl Into<String>) -> RetrieveThread {
        RetrieveThread {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: thread_id.into(),
        }
    }

    /// Updates a thread: `POST /threads/{thread_id}`.
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

    /// Creates a thread and a run on it in one request: `POST /threads/runs`.
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
    pub(crate) body: CreateThreadRequest,
}

impl CreateThread {
    /// Adds an initial message.
    pub fn message(mut self, message: CreateMessageRequest) -> Self {
        self.body.messages.get_or_insert_default().push(message);
        self
    }

    /// Adds an initial user message.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.message(CreateMessageRequest::new(MessageRole::User, content))
    }

    extra_fields!();
    request_options!(Thread);

    async fn execute(&self) -> Result<Response<Thread>> {
        self.client.validate(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move { api.create_thread(body).await };
        self.client.call(Operation::CreateThread, SpanIds::default(), &self.options, call).await
    }
}

/// A request to retrieve a thread.
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
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let call =
            move |api: runstep_api::Client| async move { api.retrieve_thread(thread_id).await };
        self.client
            .call(Operation::RetrieveThread, SpanIds::thread(thread_id), &self.options, call)
            .await
    }
}

/// A request to update a thread.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct UpdateThread {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    pub(crate) body: UpdateThreadRequest,
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
    extra_fields!();
    request_options!(Thread);

    async fn execute(&self) -> Result<Response<Thread>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        self.client.validate(&self.body)?;
        let body = &self.body;
        let call =
            move |api: runstep_api::Client| async move { api.update_thread(thread_id, body).await };
        self.client
            .call(Operation::UpdateThread, SpanIds::thread(thread_id), &self.options, call)
            .await
    }
}

impl DeleteThread {
    request_options!(DeletedThread);

    async fn execute(&self) -> Result<Response<DeletedThread>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let call =
            move |api: runstep_api::Client| async move { api.delete_thread(thread_id).await };
        self.client
            .call(Operation::DeleteThread, SpanIds::thread(thread_id), &self.options, call)
            .await
    }
}

awaitable!(CreateThread -> Thread);
awaitable!(RetrieveThread -> Thread);
awaitable!(UpdateThread -> Thread);
awaitable!(DeleteThread -> DeletedThread);
