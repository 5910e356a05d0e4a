//! Operations on messages.

use runstep_api::types::{
    CreateMessageRequest, DeletedMessage, Message, MessageList, UpdateMessageRequest,
};

use super::context::Engine;
use super::error::EngineError;
use super::{capabilities, lists, objects};
use crate::store::{PageQuery, ThreadState};

impl Engine {
    pub(crate) fn create_message(
        &self,
        thread_id: &str,
        request: CreateMessageRequest,
    ) -> Result<Message, EngineError> {
        let handle = self.handle(thread_id)?;
        capabilities::check_message("", &request, self.context.model.supports_images())?;
        self.context.check_quota()?;
        let mut thread = handle.lock();
        if let Some(run_id) = &thread.active {
            let (thread_id, run_id) = (thread_id.to_owned(), run_id.clone());
            return Err(EngineError::MessagesWhileActive { thread_id, run_id });
        }
        let message = objects::request_message(
            &self.context.ids,
            self.context.clock.now(),
            thread_id,
            request,
        );
        thread.insert_message(message.clone());
        Ok(message)
    }

    pub(crate) fn messages(
        &self,
        thread_id: &str,
        run_id: Option<&str>,
        query: &PageQuery,
    ) -> Result<MessageList, EngineError> {
        let handle = self.handle(thread_id)?;
        let thread = handle.lock();
        let of_run = |message: &Message| run_id.is_none() || message.run_id.as_deref() == run_id;
        lists::list("message", &thread.messages, query, of_run, Message::clone)
    }

    pub(crate) fn message(
        &self,
        thread_id: &str,
        message_id: &str,
    ) -> Result<Message, EngineError> {
        let handle = self.handle(thread_id)?;
        let thread = handle.lock();
        thread
            .messages
            .get(message_id)
            .cloned()
            .ok_or_else(|| EngineError::not_found("message", message_id))
    }

    pub(crate) fn update_message(
        &self,
        thread_id: &str,
        message_id: &str,
        request: UpdateMessageRequest,
    ) -> Result<Message, EngineError> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let ThreadState { messages, charge, .. } = &mut *thread;
        let message = messages
            .get_mut(message_id)
            .ok_or_else(|| EngineError::not_found("message", message_id))?;
        objects::update_stored_metadata(&mut message.metadata, request.metadata, charge)?;
        Ok(message.clone())
    }

    /// Deletes a message, unless a run is active, which may have read the message or be writing it.
    pub(crate) fn delete_message(
        &self,
        thread_id: &str,
        message_id: &str,
    ) -> Result<DeletedMessage, EngineError> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        if thread.messages.get(message_id).is_none() {
            return Err(EngineError::not_found("message", message_id));
        }
        if let Some(run_id) = &thread.active {
            let (thread_id, run_id) = (thread_id.to_owned(), run_id.clone());
            return Err(EngineError::DeletionWhileActive { thread_id, run_id });
        }
        thread.remove_message(message_id);
        Ok(DeletedMessage::new(message_id, true))
    }
}
