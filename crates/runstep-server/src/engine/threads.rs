//! Operations on threads.

use runstep_api::types::{CreateThreadRequest, DeletedThread, Thread, UpdateThreadRequest};

use super::context::Engine;
use super::error::EngineError;
use super::runs::begin_cancellation;
use super::{capabilities, objects};
use crate::store::{ThreadHandle, ThreadState};

impl Engine {
    pub(crate) fn create_thread(
        &self,
        request: CreateThreadRequest,
    ) -> Result<Thread, EngineError> {
        self.insert_thread("", request).map(|(thread, _)| thread)
    }

    /// Creates a thread. `prefix` precedes the names of fields in errors.
    pub(super) fn insert_thread(
        &self,
        prefix: &str,
        request: CreateThreadRequest,
    ) -> Result<(Thread, ThreadHandle), EngineError> {
        capabilities::check_tool_resources(
            &format!("{prefix}tool_resources"),
            request.tool_resources.as_option(),
        )?;
        let messages = request.messages.unwrap_or_default();
        for (index, message) in messages.iter().enumerate() {
            capabilities::check_message(
                &format!("{prefix}messages[{index}]."),
                message,
                self.context.model.supports_images(),
            )?;
        }
        self.context.check_quota()?;
        let now = self.context.clock.now();
        let mut thread = Thread::new(self.context.ids.next("thread"), now);
        thread.metadata = Some(request.metadata.into_option().unwrap_or_default());
        let messages = messages
            .into_iter()
            .map(|message| objects::request_message(&self.context.ids, now, &thread.id, message))
            .collect();
        let handle = self.store.insert_thread(thread.clone(), messages);
        Ok((thread, handle))
    }

    pub(crate) fn thread(&self, id: &str) -> Result<Thread, EngineError> {
        Ok(self.handle(id)?.lock().thread.clone())
    }

    pub(crate) fn update_thread(
        &self,
        id: &str,
        request: UpdateThreadRequest,
    ) -> Result<Thread, EngineError> {
        let handle = self.handle(id)?;
        capabilities::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        let mut state = handle.lock();
        let ThreadState { thread, charge, .. } = &mut *state;
        objects::update_stored_metadata(&mut thread.metadata, request.metadata, charge)?;
        Ok(thread.clone())
    }

    /// Deletes a thread with its messages and runs. An active run is cancelled. Its execution holds
    /// the thread until it has stopped the model and emitted the last events.
    pub(crate) fn delete_thread(&self, id: &str) -> Result<DeletedThread, EngineError> {
        let handle =
            self.store.remove_thread(id).ok_or_else(|| EngineError::not_found("thread", id))?;
        let mut state = handle.lock();
        // A request that is creating a run may hold the thread, too.
        state.deleted = true;
        let ThreadState { runs, active, .. } = &mut *state;
        if let Some(run) = active.as_ref().and_then(|run_id| runs.get_mut(run_id)) {
            // The run may already be cancelling.
            let _ = begin_cancellation(run, self.context.clock.now());
        }
        Ok(DeletedThread::new(id, true))
    }

    pub(super) fn handle(&self, id: &str) -> Result<ThreadHandle, EngineError> {
        self.store.thread(id).ok_or_else(|| EngineError::not_found("thread", id))
    }
}
