//! Vector stores that requests create: from lists of files, and for files attached to messages.

use runstep_api::types::{
    AttachmentTool, CreateMessageRequest, CreateToolResources, Thread, ToolResources,
};
use serde_json::json;

use super::built_in_tools;
use super::context::Engine;
use super::error::{EngineError, Result};
use super::objects;
use crate::json_text::LongMembers;
use crate::model::{ResourceError, UpstreamResources};
use crate::store::Collection;

/// After how many days without use the provider deletes the vector store of a thread, as the original
/// API does.
const EXPIRES_AFTER_DAYS: u64 = 7;

/// The ids of vector stores that a request has created.
#[derive(Default)]
pub(super) struct NewVectorStores(Vec<String>);

impl Engine {
    fn upstream(&self) -> Result<UpstreamResources> {
        // `capabilities` has rejected what needs one.
        self.context.model.resources().ok_or_else(|| {
            EngineError::unsupported("tool_resources", "vector stores without a provider")
        })
    }

    /// Returns the resources of a new object. Creates the vector stores that the request lists files
    /// for, and adds their ids to `new`.
    pub(super) async fn create_resources(
        &self,
        prefix: &str,
        resources: Option<CreateToolResources>,
        new: &mut NewVectorStores,
    ) -> Result<ToolResources> {
        let inputs = resources.as_ref().and_then(|resources| {
            resources.file_search.as_ref()?.vector_stores.clone().filter(|list| !list.is_empty())
        });
        let mut created = built_in_tools::created(resources);
        let Some(inputs) = inputs else { return Ok(created) };
        let search = created.file_search.get_or_insert_default();
        let ids = search.vector_store_ids.get_or_insert_default();
        let param = format!("{prefix}tool_resources.file_search.vector_stores");
        let upstream = self.upstream()?;
        for input in inputs {
            let body = serde_json::to_value(input).unwrap_or_default();
            let id = upstream.create_vector_store(&body).await;
            let id = id.map_err(|error| rejected(&param, error))?;
            new.0.push(id.clone());
            self.adopt(&id).await?;
            ids.push(id);
        }
        Ok(created)
    }

    /// Adds the files that messages attach to the resources of their thread: those for the code
    /// interpreter to its files, and those for file search to the vector store, which is created for
    /// the first of them, and whose id is added to `new`. Returns whether the resources have changed.
    pub(super) async fn attach(
        &self,
        resources: &mut Option<ToolResources>,
        messages: &[CreateMessageRequest],
        new: &mut NewVectorStores,
    ) -> Result<bool> {
        let code_files: Vec<&String> = messages.iter().flat_map(code_files).collect();
        let mut is_changed = false;
        if !code_files.is_empty() {
            let interpreter =
                resources.get_or_insert_default().code_interpreter.get_or_insert_default();
            let ids = interpreter.file_ids.get_or_insert_default();
            for file in code_files {
                if !ids.contains(file) {
                    ids.push(file.clone());
                    is_changed = true;
                }
            }
        }
        let files: Vec<String> = messages.iter().flat_map(searched_files).cloned().collect();
        if files.is_empty() {
            return Ok(is_changed);
        }
        let upstream = self.upstream()?;
        let search = resources.get_or_insert_default().file_search.get_or_insert_default();
        let stores = search.vector_store_ids.get_or_insert_default();
        if let Some(store) = stores.first() {
            for file in &files {
                upstream
                    .add_to_vector_store(store, file)
                    .await
                    .map_err(|error| rejected("attachments", error))?;
            }
            return Ok(is_changed);
        }
        let expiry = json!({"anchor": "last_active_at", "days": EXPIRES_AFTER_DAYS});
        let body = json!({"file_ids": files, "expires_after": expiry});
        let id = upstream
            .create_vector_store(&body)
            .await
            .map_err(|error| rejected("attachments", error))?;
        new.0.push(id.clone());
        self.adopt(&id).await?;
        stores.push(id);
        Ok(true)
    }

    /// Deletes the vector stores that a request has created, if it has certainly failed. If it may have
    /// succeeded, an object can refer to them. Returns the result of the request.
    pub(super) async fn delete_if_failed<T>(
        &self,
        new: NewVectorStores,
        result: Result<T>,
    ) -> Result<T> {
        let has_failed = result.as_ref().is_err_and(|error| !error.is_uncertain());
        if has_failed && let Some(upstream) = self.context.model.resources() {
            for id in new.0 {
                let is_deleted = upstream.delete_vector_store(&id).await.is_ok();
                if !is_deleted || self.forget(&id).await.is_err() {
                    tracing::warn!("a vector store of a request that has failed stays");
                }
            }
        }
        result
    }

    /// Does the same for messages that are added to a stored thread.
    pub(super) async fn attach_to_thread(
        &self,
        thread_id: &str,
        messages: &[CreateMessageRequest],
    ) -> Result<()> {
        self.check_message_files(messages).await?;
        let has_files = |message: &CreateMessageRequest| {
            searched_files(message).chain(code_files(message)).next().is_some()
        };
        if !messages.iter().any(has_files) {
            return Ok(());
        }
        let stored = self.object(Collection::Threads, thread_id).await?;
        let mut thread: Thread = objects::decode(&stored.json)?;
        let mut new = NewVectorStores::default();
        let attached = self.attach(&mut thread.tool_resources, messages, &mut new).await;
        if self.delete_if_failed(new, attached).await? {
            let created = thread.tool_resources.unwrap_or_default();
            // Not recorded under the idempotency key, which belongs to the message.
            let engine = Self { request: None, ..self.clone() };
            let change = |thread: &mut Thread, (): &mut (), _: &mut LongMembers| {
                built_in_tools::merge(&mut thread.tool_resources, created.clone());
            };
            engine.change(Collection::Threads, thread_id, change).await?;
        }
        Ok(())
    }
}

/// Returns the files that a message attaches to file search.
fn searched_files(message: &CreateMessageRequest) -> impl Iterator<Item = &String> {
    attached_files(message, |tool| matches!(tool, AttachmentTool::FileSearch(_)))
}

/// Returns the files that a message attaches to the code interpreter.
fn code_files(message: &CreateMessageRequest) -> impl Iterator<Item = &String> {
    attached_files(message, |tool| matches!(tool, AttachmentTool::CodeInterpreter(_)))
}

fn attached_files(
    message: &CreateMessageRequest,
    is_wanted: fn(&AttachmentTool) -> bool,
) -> impl Iterator<Item = &String> {
    let attachments = message.attachments.as_option().into_iter().flatten();
    let wanted =
        attachments.filter(move |attachment| attachment.tools.iter().flatten().any(is_wanted));
    wanted.filter_map(|attachment| attachment.file_id.as_ref())
}

/// Returns the error for a request that the provider has rejected or could not be sent to it.
fn rejected(param: &str, error: ResourceError) -> EngineError {
    match error.status {
        Some(status) if status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 429) => {
            EngineError::invalid(param, error.message)
        }
        _ => EngineError::Upstream(error.message),
    }
}
