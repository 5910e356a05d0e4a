//! Which objects of the model's provider belong to a key. The provider knows only the server's
//! account, so the server keeps the ids that each key has created.

use std::collections::BTreeSet;

use axum::body::Bytes;
use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, CreateToolResources, MessageContentPart,
    ToolResources,
};

use super::context::{Engine, EngineContext};
use super::error::{EngineError, Result};
use crate::model::ModelEvent;
use crate::store::{Change, Collection, Namespace, NewObject, StoreError, Transaction};

const FILE: &str = "file";
const VECTOR_STORE: &str = "vector store";

/// The ids of objects that were not created through the server, and that all keys can use.
pub(crate) type AdoptedIds = BTreeSet<String>;

impl Engine {
    /// Returns whether the key can only use objects that it has created. Without keys all clients
    /// share all objects.
    pub(crate) fn is_restricted(&self) -> bool {
        is_restricted(&self.namespace)
    }

    /// Returns whether the key can use an object of the provider.
    pub(crate) async fn owns(&self, id: &str) -> Result<bool> {
        if !self.is_restricted() || self.context.adopted.contains(id) {
            return Ok(true);
        }
        match self.object(Collection::UpstreamObjects, id).await {
            Ok(_) => Ok(true),
            Err(EngineError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Records that the key has created an object.
    pub(crate) async fn adopt(&self, id: &str) -> Result<()> {
        Ok(self.context.record_object(&self.namespace, id).await?)
    }

    /// Removes the record of a deleted object.
    pub(crate) async fn forget(&self, id: &str) -> Result<()> {
        let (collection, id) = (Collection::UpstreamObjects, id.to_owned());
        match self.transact(Change::Delete { collection, id }, None).await {
            Ok(_) | Err(StoreError::Missing { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn check(&self, kind: &'static str, id: &str) -> Result<()> {
        match self.owns(id).await? {
            true => Ok(()),
            false => Err(EngineError::NotFound { kind, id: id.to_owned() }),
        }
    }

    /// Checks that the key can use the files and vector stores of new resources.
    pub(super) async fn check_created(
        &self,
        resources: Option<&CreateToolResources>,
    ) -> Result<()> {
        let Some(resources) = resources.filter(|_| self.is_restricted()) else { return Ok(()) };
        let files = resources.code_interpreter.iter().filter_map(|tool| tool.file_ids.as_ref());
        let search = resources.file_search.as_ref();
        let inputs = search.and_then(|search| search.vector_stores.as_ref()).into_iter().flatten();
        let files = files.chain(inputs.filter_map(|input| input.file_ids.as_ref())).flatten();
        for id in files {
            self.check(FILE, id).await?;
        }
        let stores = search.and_then(|search| search.vector_store_ids.as_ref());
        for id in stores.into_iter().flatten() {
            self.check(VECTOR_STORE, id).await?;
        }
        Ok(())
    }

    /// Checks that the key can use the files and vector stores of resources.
    pub(super) async fn check_resources(&self, resources: Option<&ToolResources>) -> Result<()> {
        let Some(resources) = resources.filter(|_| self.is_restricted()) else { return Ok(()) };
        let files = resources.code_interpreter.iter().filter_map(|tool| tool.file_ids.as_ref());
        for id in files.flatten() {
            self.check(FILE, id).await?;
        }
        let stores = resources.file_search.iter().filter_map(|tool| tool.vector_store_ids.as_ref());
        for id in stores.flatten() {
            self.check(VECTOR_STORE, id).await?;
        }
        Ok(())
    }

    /// Checks that the key can use the files of messages.
    pub(super) async fn check_message_files(
        &self,
        messages: &[CreateMessageRequest],
    ) -> Result<()> {
        if !self.is_restricted() {
            return Ok(());
        }
        for message in messages {
            let attachments = message.attachments.as_option().into_iter().flatten();
            for id in attachments.filter_map(|attachment| attachment.file_id.as_ref()) {
                self.check(FILE, id).await?;
            }
            let CreateMessageContent::Parts(parts) = &message.content else { continue };
            for part in parts {
                if let MessageContentPart::ImageFile(part) = part {
                    self.check(FILE, &part.image_file.file_id).await?;
                }
            }
        }
        Ok(())
    }
}

impl EngineContext {
    /// Records the files that a model has created, before clients see their ids.
    pub(super) async fn record_files(&self, namespace: &Namespace, event: &ModelEvent) {
        if !is_restricted(namespace) {
            return;
        }
        for id in event.created_files() {
            if self.record_object(namespace, id).await.is_err() {
                tracing::warn!(
                    "a file of the model cannot be recorded, so that clients cannot read it"
                );
            }
        }
    }

    async fn record_object(&self, namespace: &Namespace, id: &str) -> Result<(), StoreError> {
        let json = Bytes::from_static(b"{}");
        let object = NewObject { id: id.to_owned(), json, hidden: Bytes::new() };
        let transaction = Transaction {
            namespace: namespace.clone(),
            now: self.clock.now(),
            idempotency: None,
            change: Change::CreateUpstreamObject(object),
        };
        self.store.commit(transaction).await.map(|_| ())
    }
}

fn is_restricted(namespace: &Namespace) -> bool {
    !namespace.as_str().is_empty()
}
