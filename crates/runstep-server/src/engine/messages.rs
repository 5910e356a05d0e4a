//! Messages: added to a thread, listed, changed and deleted.

use runstep_api::types::{
    CreateMessageRequest, DeletedMessage, Message, MessageList, UpdateMessageRequest,
};

use super::{Engine, Refusal, lists, objects, support};
use crate::store::{PageQuery, ThreadState};

impl Engine {
    pub(crate) fn create_message(
        &self,
        thread_id: &str,
        request: CreateMessageRequest,
    ) -> Result<Message, Refusal> {
        let handle = self.handle(thread_id)?;
        support::check_message("", &request, self.shared.model.sees_images())?;
        self.shared.check_room()?;
        let mut thread = handle.lock();
        if let Some(run_id) = &thread.active {
            let (thread_id, run_id) = (thread_id.to_owned(), run_id.clone());
            return Err(Refusal::MessagesWhileActive { thread_id, run_id });
        }
        let message =
            objects::given_message(&self.shared.ids, self.shared.clock.now(), thread_id, request);
        thread.insert_message(message.clone());
        Ok(message)
    }

    pub(crate) fn messages(
        &self,
        thread_id: &str,
        run_id: Option<&str>,
        query: &PageQuery,
    ) -> Result<MessageList, Refusal> {
        let handle = self.handle(thread_id)?;
        let thread = handle.lock();
        let wanted = |message: &Message| run_id.is_none() || message.run_id.as_deref() == run_id;
        lists::list("message", &thread.messages, query, wanted, Message::clone)
    }

    pub(crate) fn message(&self, thread_id: &str, message_id: &str) -> Result<Message, Refusal> {
        let handle = self.handle(thread_id)?;
        let thread = handle.lock();
        thread
            .messages
            .get(message_id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("message", message_id))
    }

    pub(crate) fn update_message(
        &self,
        thread_id: &str,
        message_id: &str,
        request: UpdateMessageRequest,
    ) -> Result<Message, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let ThreadState { messages, charge, .. } = &mut *thread;
        let message = messages
            .get_mut(message_id)
            .ok_or_else(|| Refusal::not_found("message", message_id))?;
        objects::change_kept_metadata(&mut message.metadata, request.metadata, charge)?;
        Ok(message.clone())
    }

    /// Deletes a message. Not while a run is active: it would be gone from under a run that has
    /// read it, or that is writing it.
    pub(crate) fn delete_message(
        &self,
        thread_id: &str,
        message_id: &str,
    ) -> Result<DeletedMessage, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        if thread.messages.get(message_id).is_none() {
            return Err(Refusal::not_found("message", message_id));
        }
        if let Some(run_id) = &thread.active {
            let (thread_id, run_id) = (thread_id.to_owned(), run_id.clone());
            return Err(Refusal::DeletionWhileActive { thread_id, run_id });
        }
        thread.remove_message(message_id);
        Ok(DeletedMessage::new(message_id, true))
    }
}
