//! Operations on the messages of a thread.

use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, Message, MessageRole, Thread, UpdateMessageRequest,
};

use super::requests::{CreateMessage, DeleteMessage, ListMessages, RetrieveMessage, UpdateMessage};
use crate::arguments::IntoId;
use crate::client::Client;

/// Operations on the messages of a thread; see [`Client::messages`].
#[derive(Clone, Debug)]
pub struct Messages {
    client: Client,
    thread_id: String,
}

impl Client {
    /// Returns the operations on the messages of a thread.
    pub fn messages(&self, thread_id: impl IntoId<Thread>) -> Messages {
        Messages { client: self.clone(), thread_id: thread_id.into_id().0 }
    }
}

impl Messages {
    /// Creates a message, by default with the role `user`: `POST /threads/{thread_id}/messages`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns an error with an [`active_run`](crate::Error::active_run) if a
    /// run of the thread is active.
    pub fn create(&self, content: impl Into<CreateMessageContent>) -> CreateMessage {
        CreateMessage::new(
            &self.client,
            &self.thread_id,
            CreateMessageRequest::new(MessageRole::User, content),
        )
    }

    /// Lists messages: `GET /threads/{thread_id}/messages`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns the errors of every request; see
    /// [`docs::errors`](crate::docs::errors).
    pub fn list(&self) -> ListMessages {
        ListMessages::new(&self.client, &self.thread_id)
    }

    /// Retrieves a message: `GET /threads/{thread_id}/messages/{message_id}`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn retrieve(&self, message_id: impl IntoId<Message>) -> RetrieveMessage {
        RetrieveMessage::new(&self.client, &self.thread_id, message_id.into_id())
    }

    /// Updates the metadata of a message: `POST /threads/{thread_id}/messages/{message_id}`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn update(&self, message_id: impl IntoId<Message>) -> UpdateMessage {
        UpdateMessage::new(
            &self.client,
            &self.thread_id,
            message_id.into_id(),
            UpdateMessageRequest::default(),
        )
    }

    /// Deletes a message: `DELETE /threads/{thread_id}/messages/{message_id}`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn delete(&self, message_id: impl IntoId<Message>) -> DeleteMessage {
        DeleteMessage::new(&self.client, &self.thread_id, message_id.into_id())
    }
}

impl CreateMessage {
    /// Sets the role of the author. Default: user.
    pub fn role(mut self, role: impl Into<MessageRole>) -> Self {
        self.body.role = role.into();
        self
    }
}
