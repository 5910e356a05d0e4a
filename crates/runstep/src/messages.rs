//! Messages: what is said on a thread.

use runstep_api::types::{
    Attachment, CreateMessageContent, CreateMessageRequest, Message, MessageList, MessageRole,
};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::request::{Page, awaitable, body_setters, call, metadata_setter, page_setters};

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
            thread_id: self.thread_id.clone(),
            body: CreateMessageRequest::new(MessageRole::User, content),
        }
    }

    /// A page of messages: `GET /threads/{thread_id}/messages`.
    pub fn list(&self) -> ListMessages {
        ListMessages {
            client: self.client.clone(),
            thread_id: self.thread_id.clone(),
            run_id: None,
            page: Page::default(),
        }
    }

    /// Gets a message: `GET /threads/{thread_id}/messages/{message_id}`.
    pub fn retrieve(&self, message_id: impl Into<String>) -> RetrieveMessage {
        RetrieveMessage {
            client: self.client.clone(),
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

    async fn send(self) -> Result<Message> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        Ok(call!(self.client, create_message(thread_id, &self.body))?.value)
    }
}

/// A request for a page of messages.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListMessages {
    client: Client,
    thread_id: String,
    run_id: Option<String>,
    page: Page,
}

impl ListMessages {
    page_setters!();

    /// Only the messages that a run wrote. Default: all.
    pub fn run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into());
        self
    }

    async fn send(self) -> Result<MessageList> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let page = &self.page;
        let reply = call!(
            self.client,
            list_messages(
                thread_id,
                page.after.as_deref(),
                page.before.as_deref(),
                page.limit,
                page.order.as_ref(),
                self.run_id.as_deref(),
            )
        );
        Ok(reply?.value)
    }
}

/// A request for a message.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveMessage {
    client: Client,
    thread_id: String,
    message_id: String,
}

impl RetrieveMessage {
    async fn send(self) -> Result<Message> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let message_id = id::checked("message_id", &self.message_id)?;
        Ok(call!(self.client, retrieve_message(thread_id, message_id))?.value)
    }
}

awaitable!(CreateMessage -> Message);
awaitable!(ListMessages -> MessageList);
awaitable!(RetrieveMessage -> Message);
