//! Operations on threads: conversations that runs work on.

use runstep_api::types::{
    Assistant, CreateMessageContent, CreateMessageRequest, CreateThreadAndRunRequest,
    CreateThreadRequest, MessageRole, Thread, Tool, UpdateThreadRequest,
};

use super::requests::{
    CreateThread, CreateThreadAndRun, DeleteThread, RetrieveThread, UpdateThread,
};
use crate::arguments::IntoId;
use crate::client::Client;

/// Operations on threads; see [`Client::threads`].
#[derive(Clone, Debug)]
pub struct Threads {
    client: Client,
}

impl Client {
    /// Returns the operations on threads.
    pub fn threads(&self) -> Threads {
        Threads { client: self.clone() }
    }
}

impl Threads {
    /// Creates a thread: `POST /threads`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns the errors of every request; see
    /// [`docs::errors`](crate::docs::errors).
    pub fn create(&self) -> CreateThread {
        CreateThread::new(&self.client, CreateThreadRequest::default())
    }

    /// Retrieves a thread: `GET /threads/{thread_id}`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn retrieve(&self, thread_id: impl IntoId<Thread>) -> RetrieveThread {
        RetrieveThread::new(&self.client, thread_id.into_id())
    }

    /// Updates a thread: `POST /threads/{thread_id}`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn update(&self, thread_id: impl IntoId<Thread>) -> UpdateThread {
        UpdateThread::new(&self.client, thread_id.into_id(), UpdateThreadRequest::default())
    }

    /// Deletes a thread: `DELETE /threads/{thread_id}`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn delete(&self, thread_id: impl IntoId<Thread>) -> DeleteThread {
        DeleteThread::new(&self.client, thread_id.into_id())
    }

    /// Creates a thread and a run on it in one request: `POST /threads/runs`.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// let run = client
    ///     .threads()
    ///     .create_and_run(&assistant.id)
    ///     .user_message("Explain deep learning to a 5 year old.")
    ///     .and_poll()
    ///     .await?;
    /// println!("{} on {}", run.status, run.thread_id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns the errors of every request; see
    /// [`docs::errors`](crate::docs::errors).
    pub fn create_and_run(&self, assistant_id: impl IntoId<Assistant>) -> CreateThreadAndRun {
        CreateThreadAndRun::new(
            &self.client,
            CreateThreadAndRunRequest::new(assistant_id.into_id()),
        )
    }
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
}

impl<M> CreateThreadAndRun<M> {
    /// Adds a tool to [`tools`](Self::tools).
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.params.body.tools.get_or_insert_default().push(tool.into());
        self
    }

    /// Adds a message to the new thread.
    pub fn message(mut self, message: CreateMessageRequest) -> Self {
        let thread = self.params.body.thread.get_or_insert_default();
        thread.messages.get_or_insert_default().push(message);
        self
    }

    /// Adds a user message to the new thread.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.message(CreateMessageRequest::new(MessageRole::User, content))
    }
}
