//! Operations on the messages of a thread.

use runstep_api::Operation;
use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, DeletedMessage, Message, MessageList, MessageRole,
    UpdateMessageRequest,
};

use crate::client::{Client, SpanIds};
use crate::error::Result;
use crate::pagination::{PageQuery, list_request};
use crate::resources::macros::{awaitable, extra_fields, request_options};
use crate::transport::{RequestOptions, Response, checked_id};

/// Operations on the messages of a thread; see [`Client::messages`].
#[derive(Clone, Debug)]
pub struct Messages {
    client: Client,
    thread_id: String,
}

impl Client {
    /// Returns the operations on the messages of a thread.
    pub fn messages(&self, thread_id: impl Into<String>) -> Messages {
        Messages::new(self.clone(), thread_id.into())
    }
}

impl Messages {
    pub(crate) fn new(client: Client, thread_id: String) -> Self {
        Self { client, thread_id }
    }

    /// Creates a user message: `POST /threads/{thread_id}/messages`.
    ///
    /// The server rejects messages while a run of the thread is active.
    pub fn create(&self, content: impl Into<CreateMessageContent>) -> CreateMessage {
        CreateMessage {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            body: CreateMessageRequest::new(MessageRole::User, content),
        }
    }

    /// Lists messages: `GET /threads/{thread_id}/messages`.
    pub fn list(&self) -> ListMessages {
        ListMessages {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            run_id: None,
            page: PageQuery::default(),
        }
    }

    /// Retrieves a message: `GET /threads/{thread_id}/messages/{message_id}`.
    pub fn retrieve(&self, message_id: impl Into<String>) -> RetrieveMessage {
        RetrieveMessage {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            message_id: message_id.into(),
        }
    }

    /// Updates the metadata of a message: `POST /threads/{thread_id}/messages/{message_id}`.
    pub fn update(&self, message_id: impl Into<String>) -> UpdateMessage {
        UpdateMessage {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            message_id: message_id.into(),
            body: UpdateMessageRequest::default(),
        }
    }

    /// Deletes a message: `DELETE /threads/{thread_id}/messages/{message_id}`.
    pub fn delete(&self, message_id: impl Into<String>) -> DeleteMessage {
        DeleteMessage {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            message_id: message_id.into(),
        }
    }
}

/// A request to create a message.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateMessage {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    pub(crate) body: CreateMessageRequest,
}

impl CreateMessage {
    /// Sets the role of the author. Default: user.
    pub fn role(mut self, role: impl Into<MessageRole>) -> Self {
        self.body.role = role.into();
        self
    }

    extra_fields!();
    request_options!(Message);

    async fn execute(&self) -> Result<Response<Message>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        self.client.validate(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.create_message(thread_id, body).await
        };
        self.client
            .call(Operation::CreateMessage, SpanIds::thread(thread_id), &self.options, call)
            .await
    }
}

/// A request to list messages.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListMessages {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: Option<String>,
    page: PageQuery,
}

impl ListMessages {
    /// Lists only the messages that a run created. Default: all.
    pub fn run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into());
        self
    }

    async fn execute(&self) -> Result<Response<MessageList>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        self.client.validate_page_limit(self.page.limit)?;
        let (page, run_id) = (&self.page, self.run_id.as_deref());
        let call = move |api: runstep_api::Client| async move {
            let (after, before) = (page.after.as_deref(), page.before.as_deref());
            let order = page.order.as_ref();
            api.list_messages(thread_id, after, before, page.limit, order, run_id).await
        };
        self.client
            .call(Operation::ListMessages, SpanIds::thread(thread_id), &self.options, call)
            .await
    }
}

/// A request to retrieve a message.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveMessage {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    message_id: String,
}

impl RetrieveMessage {
    request_options!(Message);

    async fn execute(&self) -> Result<Response<Message>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let message_id = checked_id("message_id", &self.message_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_message(thread_id, message_id).await
        };
        let ids = SpanIds::message(thread_id, message_id);
        self.client.call(Operation::RetrieveMessage, ids, &self.options, call).await
    }
}

/// A request to update a message.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct UpdateMessage {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    message_id: String,
    pub(crate) body: UpdateMessageRequest,
}

/// A request to delete a message.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct DeleteMessage {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    message_id: String,
}

impl UpdateMessage {
    extra_fields!();
    request_options!(Message);

    async fn execute(&self) -> Result<Response<Message>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let message_id = checked_id("message_id", &self.message_id)?;
        self.client.validate(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.update_message(thread_id, message_id, body).await
        };
        let ids = SpanIds::message(thread_id, message_id);
        self.client.call(Operation::UpdateMessage, ids, &self.options, call).await
    }
}

impl DeleteMessage {
    request_options!(DeletedMessage);

    async fn execute(&self) -> Result<Response<DeletedMessage>> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        let message_id = checked_id("message_id", &self.message_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.delete_message(thread_id, message_id).await
        };
        let ids = SpanIds::message(thread_id, message_id);
        self.client.call(Operation::DeleteMessage, ids, &self.options, call).await
    }
}

awaitable!(CreateMessage -> Message);
list_request!(ListMessages -> MessageList, Message);
awaitable!(RetrieveMessage -> Message);
awaitable!(UpdateMessage -> Message);
awaitable!(DeleteMessage -> DeletedMessage);
