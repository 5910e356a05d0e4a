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

    /// Checks that the key can use objects.
    async fn check_all(&self, ids: Vec<(&'static str, String)>) -> Result<()> {
        for (kind, id) in ids {
            if !self.owns(&id).await? {
                return Err(EngineError::NotFound { kind, id });
            }
        }
        Ok(())
    }

    /// Checks that the key can use the files and vector stores of new resources.
    pub(super) async fn check_created(
        &self,
        resources: Option<&CreateToolResources>,
    ) -> Result<()> {
        let mut ids = Vec::new();
        if let Some(tool) = resources.and_then(|resources| resources.code_interpreter.as_ref()) {
            ids.extend(tool.file_ids.iter().flatten().map(file));
        }
        if let Some(search) = resources.and_then(|resources| resources.file_search.as_ref()) {
            let inputs = search.vector_stores.iter().flatten();
            ids.extend(inputs.flat_map(|input| input.file_ids.iter().flatten()).map(file));
            ids.extend(search.vector_store_ids.iter().flatten().map(vector_store));
        }
        self.check_all(ids).await
    }

    /// Checks that the key can use the files and vector stores of resources.
    pub(super) async fn check_resources(&self, resources: Option<&ToolResources>) -> Result<()> {
        let mut ids = Vec::new();
        if let Some(tool) = resources.and_then(|resources| resources.code_interpreter.as_ref()) {
            ids.extend(tool.file_ids.iter().flatten().map(file));
        }
        if let Some(search) = resources.and_then(|resources| resources.file_search.as_ref()) {
            ids.extend(search.vector_store_ids.iter().flatten().map(vector_store));
        }
        self.check_all(ids).await
    }

    /// Checks that the key can use the files of messages.
    pub(super) async fn check_message_files(
        &self,
        messages: &[CreateMessageRequest],
    ) -> Result<()> {
        let mut ids = Vec::new();
        for message in messages {
            let attachments = message.attachments.as_option().into_iter().flatten();
            ids.extend(attachments.filter_map(|attachment| attachment.file_id.as_ref()).map(file));
            let CreateMessageContent::Parts(parts) = &message.content else { continue };
            ids.extend(parts.iter().filter_map(|part| match part {
                MessageContentPart::ImageFile(part) => Some(file(&part.image_file.file_id)),
                _ => None,
            }));
        }
        self.check_all(ids).await
    }
}

fn file(id: impl AsRef<str>) -> (&'static str, String) {
    ("file", id.as_ref().to_owned())
}

fn vector_store(id: impl AsRef<str>) -> (&'static str, String) {
    ("vector store", id.as_ref().to_owned())
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
