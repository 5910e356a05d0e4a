//! Operations on messages.

use axum::body::Bytes;
use runstep_api::types::{CreateMessageRequest, DeletedMessage, Message, UpdateMessageRequest};

use super::context::Engine;
use super::error::{EngineError, Result};
use super::idempotency::Recorded;
use super::transactions::new_message;
use super::{objects, prompt};
use crate::json_text::LongMembers;
use crate::store::{Change, Collection, PageQuery, StoreError};

impl Engine {
    pub(crate) async fn create_message(
        &self,
        thread_id: &str,
        request: CreateMessageRequest,
    ) -> Result<Bytes> {
        let engine = self.identify("createMessage", &[thread_id], &request);
        engine.once(engine.try_create_message(thread_id, request), Recorded::into_json).await
    }

    async fn try_create_message(
        &self,
        thread_id: &str,
        request: CreateMessageRequest,
    ) -> Result<Bytes> {
        if let Err(error) = self.validate_message(&request) {
            // A missing thread takes precedence.
            self.thread(thread_id).await?;
            return Err(error);
        }
        self.attach_to_thread(thread_id, std::slice::from_ref(&request)).await?;
        let context = &self.context;
        let message =
            objects::request_message(&context.ids, context.clock.now(), thread_id, request);
        let message = new_message(&message, &prompt::message_item(&message));
        let json = message.json.clone();
        let thread = thread_id.to_owned();
        match self.commit(Change::CreateMessage { thread, message }, &json, 0).await {
            Ok(_) => Ok(json),
            Err(StoreError::ActiveRun { run_id }) => {
                Err(EngineError::MessagesWhileActive { thread_id: thread_id.to_owned(), run_id })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn validate_message(&self, request: &CreateMessageRequest) -> Result<()> {
        self.context.capabilities().check_message("", request)?;
        Ok(self.context.store.check_capacity()?)
    }

    pub(crate) async fn messages(
        &self,
        thread_id: &str,
        run_id: Option<&str>,
        query: &PageQuery,
    ) -> Result<Bytes> {
        self.list(Collection::messages(thread_id), run_id, query).await
    }

    pub(crate) async fn message(&self, thread_id: &str, message_id: &str) -> Result<Bytes> {
        self.read(Collection::messages(thread_id), message_id).await
    }

    pub(crate) async fn update_message(
        &self,
        thread_id: &str,
        message_id: &str,
        request: UpdateMessageRequest,
    ) -> Result<Bytes> {
        let engine = self.identify("modifyMessage", &[thread_id, message_id], &request);
        let update = engine.change(
            Collection::messages(thread_id),
            message_id,
            |message: &mut Message, (): &mut (), _: &mut LongMembers| {
                objects::update_metadata(&mut message.metadata, request.metadata.clone());
            },
        );
        engine.once(update, Recorded::into_json).await
    }

    /// Deletes a message, unless a run is active, which may have read the message or be writing it.
    pub(crate) async fn delete_message(
        &self,
        thread_id: &str,
        message_id: &str,
    ) -> Result<DeletedMessage> {
        let (collection, id) = (Collection::messages(thread_id), message_id.to_owned());
        match self.transact(Change::Delete { collection, id }, None).await {
            Ok(_) => Ok(DeletedMessage::new(message_id, true)),
            Err(StoreError::ActiveRun { run_id }) => {
                Err(EngineError::DeletionWhileActive { thread_id: thread_id.to_owned(), run_id })
            }
            Err(error) => Err(error.into()),
        }
    }
}
