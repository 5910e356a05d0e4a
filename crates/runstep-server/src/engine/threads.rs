//! Operations on threads.

use axum::body::Bytes;
use runstep_api::types::{
    CreateMessageRequest, CreateThreadRequest, CreateToolResources, DeletedThread, Thread,
    ToolResources, UpdateThreadRequest,
};

use super::context::Engine;
use super::error::Result;
use super::idempotency::Recorded;
use super::transactions::{new_message, new_object};
use super::vector_stores::NewVectorStores;
use super::{built_in_tools, objects, prompt};
use crate::json_text::LongMembers;
use crate::model::ConversationItem;
use crate::store::{Change, Collection, NewThread};

impl Engine {
    pub(crate) async fn create_thread(&self, request: CreateThreadRequest) -> Result<Bytes> {
        let engine = self.identify("createThread", &[], &request);
        engine.once(engine.try_create_thread(request), Recorded::into_json).await
    }

    async fn try_create_thread(&self, request: CreateThreadRequest) -> Result<Bytes> {
        let (new, _, stores) = self.new_thread("", request).await?;
        let json = new.thread.json.clone();
        let committed = self.commit(Change::CreateThread(new), &json, 0).await;
        self.delete_if_failed(stores, committed.map_err(Into::into)).await?;
        Ok(json)
    }

    /// Creates a thread that is not stored yet, its messages for a model, and its new vector stores.
    /// `prefix` precedes the names of fields in errors.
    pub(super) async fn new_thread(
        &self,
        prefix: &str,
        request: CreateThreadRequest,
    ) -> Result<(NewThread, Vec<ConversationItem>, NewVectorStores)> {
        let model = self.context.capabilities();
        model.check_tool_resources(
            &format!("{prefix}tool_resources"),
            request.tool_resources.as_option(),
        )?;
        let messages = request.messages.unwrap_or_default();
        for (index, message) in messages.iter().enumerate() {
            model.check_message(&format!("{prefix}messages[{index}]."), message)?;
        }
        self.check_created(request.tool_resources.as_option()).await?;
        self.check_message_files(&messages).await?;
        self.context.store.check_capacity()?;
        let (ids, now) = (&self.context.ids, self.context.clock.now());
        let mut thread = Thread::new(ids.next("thread"), now);
        let resources = request.tool_resources.into_option();
        let mut stores = NewVectorStores::default();
        match self.new_thread_resources(prefix, resources, &messages, &mut stores).await {
            Ok(resources) => thread.tool_resources = resources,
            Err(error) => return self.delete_if_failed(stores, Err(error)).await,
        }
        thread.metadata = Some(request.metadata.into_option().unwrap_or_default());
        let messages = messages.into_iter().map(|message| {
            let message = objects::request_message(ids, now, &thread.id, message);
            let item = prompt::message_item(&message);
            (new_message(&message, &item), item)
        });
        let (messages, items) = messages.unzip();
        let new = NewThread { thread: new_object(&thread.id, &thread), messages };
        Ok((new, items, stores))
    }

    async fn new_thread_resources(
        &self,
        prefix: &str,
        resources: Option<CreateToolResources>,
        messages: &[CreateMessageRequest],
        stores: &mut NewVectorStores,
    ) -> Result<Option<ToolResources>> {
        let mut resources = Some(self.create_resources(prefix, resources, stores).await?);
        self.attach(&mut resources, messages, stores).await?;
        Ok(resources)
    }

    pub(crate) async fn thread(&self, id: &str) -> Result<Bytes> {
        self.read(Collection::Threads, id).await
    }

    pub(crate) async fn update_thread(
        &self,
        id: &str,
        request: UpdateThreadRequest,
    ) -> Result<Bytes> {
        let engine = self.identify("modifyThread", &[id], &request);
        engine.once(engine.try_update_thread(id, request), Recorded::into_json).await
    }

    async fn try_update_thread(&self, id: &str, request: UpdateThreadRequest) -> Result<Bytes> {
        let resources = request.tool_resources.as_option();
        let model = self.context.capabilities();
        if let Err(error) = model.check_tool_resources("tool_resources", resources) {
            // A missing thread takes precedence.
            self.thread(id).await?;
            return Err(error);
        }
        self.check_resources(resources).await?;
        self.change(
            Collection::Threads,
            id,
            |thread: &mut Thread, (): &mut (), _: &mut LongMembers| {
                built_in_tools::update(&mut thread.tool_resources, &request.tool_resources);
                objects::update_metadata(&mut thread.metadata, request.metadata.clone());
            },
        )
        .await
    }

    /// Deletes a thread with its messages and runs. An active run is cancelled: its execution stops
    /// the model and emits the last events to those who receive them.
    pub(crate) async fn delete_thread(&self, id: &str) -> Result<DeletedThread> {
        let (collection, thread_id) = (Collection::Threads, id.to_owned());
        let committed = self.transact(Change::Delete { collection, id: thread_id }, None).await?;
        self.context.deletions.notify_one();
        // A run that does not execute here waited for tool outputs, or it is about to start, or
        // another node executes it. Then the execution finds that the thread is gone.
        if let Some(run_id) = committed.active_run
            && let Some(live) = self.context.live_runs.get(&self.run_key(id, &run_id))
        {
            live.cancel.cancel();
        }
        Ok(DeletedThread::new(id, true))
    }
}
