//! Messages: what is said on a thread.

use std::collections::BTreeMap;

use runstep_api::types::{
    Attachment, CreateMessageContent, CreateMessageRequest, DeletedMessage, Message, MessageList,
    MessageRole, UpdateMessageRequest,
};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::list::{Page, list_request};
use crate::operation::{Operation, Subject};
use crate::options::{RequestOptions, extra_fields, request_options};
use crate::request::{awaitable, body_setters, metadata_setter};
use crate::response::Response;

static CREATE: Operation =
    Operation::post("threads.messages.create", "/threads/{thread_id}/messages");
static LIST: Operation = Operation::get("threads.messages.list", "/threads/{thread_id}/messages");
static RETRIEVE: Operation =
    Operation::get("threads.messages.retrieve", "/threads/{thread_id}/messages/{message_id}");
static UPDATE: Operation =
    Operation::post("threads.messages.update", "/threads/{thread_id}/messages/{message_id}");
static DELETE: Operation =
    Operation::delete("threads.messages.delete", "/threads/{thread_id}/messages/{message_id}");

/// The messages of a thread; see [`Client::messages`].
#[derive(Clone, Debug)]
pub struct Messages {
    client: Client,
    thread_id: String,
}

impl Messages {
    pub(crate) fn new(client: Client, thread_id: String) -> Self {
        Self { client, thread_id }
    }

    /// Adds a message of the user: `POST /threads/{thread_id}/messages`.
    ///
    /// Refused by the server while a run of the thread is active.
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
            page: Page::default(),
        }
    }

    /// Gets a message: `GET /threads/{thread_id}/messages/{message_id}`.
    pub fn retrieve(&self, message_id: impl Into<String>) -> RetrieveMessage {
        RetrieveMessage {
            client: self.client.clone(),
            options: RequestOptions::default(),
            thread_id: self.thread_id.clone(),
            message_id: message_id.into(),
        }
    }

    /// Changes a message's metadata: `POST /threads/{thread_id}/messages/{message_id}`.
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

/// A request to add a message.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateMessage {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    body: CreateMessageRequest,
}

impl CreateMessage {
    body_setters! {
        /// Files that belong to the message, with the tools that may read them. Default: none.
        attachments: Vec<Attachment>,
    }

    metadata_setter!();

    /// Who says it. Default: the user.
    pub fn role(mut self, role: impl Into<MessageRole>) -> Self {
        self.body.role = role.into();
        self
    }

    extra_fields!();
    request_options!(Message);

    async fn execute(&self) -> Result<Response<Message>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        self.client.check(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.create_message(thread_id, body).await
        };
        self.client.call(&CREATE, Subject::thread(thread_id), &self.options, call).await
    }
}

/// A request for a page of messages.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListMessages {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: Option<String>,
    page: Page,
}

impl ListMessages {
    /// Only the messages that a run wrote. Default: all.
    pub fn run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into());
        self
    }

    async fn execute(&self) -> Result<Response<MessageList>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        self.client.check_page(self.page.limit)?;
        let (page, run_id) = (&self.page, self.run_id.as_deref());
        let call = move |api: runstep_api::Client| async move {
            let (after, before) = (page.after.as_deref(), page.before.as_deref());
            let order = page.order.as_ref();
            api.list_messages(thread_id, after, before, page.limit, order, run_id).await
        };
        self.client.call(&LIST, Subject::thread(thread_id), &self.options, call).await
    }
}

/// A request for a message.
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
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let message_id = id::checked("message_id", &self.message_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_message(thread_id, message_id).await
        };
        let subject = Subject::message(thread_id, message_id);
        self.client.call(&RETRIEVE, subject, &self.options, call).await
    }
}

/// A request to change a message.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct UpdateMessage {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    message_id: String,
    body: UpdateMessageRequest,
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
    metadata_setter!(in_place);

    /// All pairs at once, in place of those that are there and of those given before.
    pub fn all_metadata(mut self, metadata: impl Into<BTreeMap<String, String>>) -> Self {
        self.body = self.body.metadata(metadata);
        self
    }

    extra_fields!();
    request_options!(Message);

    async fn execute(&self) -> Result<Response<Message>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let message_id = id::checked("message_id", &self.message_id)?;
        self.client.check(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.update_message(thread_id, message_id, body).await
        };
        let subject = Subject::message(thread_id, message_id);
        self.client.call(&UPDATE, subject, &self.options, call).await
    }
}

impl DeleteMessage {
    request_options!(DeletedMessage);

    async fn execute(&self) -> Result<Response<DeletedMessage>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let message_id = id::checked("message_id", &self.message_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.delete_message(thread_id, message_id).await
        };
        let subject = Subject::message(thread_id, message_id);
        self.client.call(&DELETE, subject, &self.options, call).await
    }
}

awaitable!(CreateMessage -> Message);
list_request!(ListMessages -> MessageList, Message);
awaitable!(RetrieveMessage -> Message);
awaitable!(UpdateMessage -> Message);
awaitable!(DeleteMessage -> DeletedMessage);
