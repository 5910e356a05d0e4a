//! Operations on threads.

use parking_lot::{ArcMutexGuard, RawMutex};
use runstep_api::types::{
    CreateThreadRequest, DeletedThread, Thread, ToolResources, UpdateThreadRequest,
};

use super::context::Engine;
use super::error::{EngineError, Result};
use super::runs::begin_cancellation;
use super::{capabilities, objects};
use crate::store::{ThreadHandle, ThreadState};

impl Engine {
    pub(crate) fn create_thread(&self, request: CreateThreadRequest) -> Result<Thread> {
        self.insert_thread("", request).map(|(thread, _)| thread)
    }

    /// Creates a thread. `prefix` precedes the names of fields in errors.
    pub(super) fn insert_thread(
        &self,
        prefix: &str,
        request: CreateThreadRequest,
    ) -> Result<(Thread, ThreadHandle)> {
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
        thread.tool_resources = Some(ToolResources::default());
        thread.metadata = Some(request.metadata.into_option().unwrap_or_default());
        let messages = messages
            .into_iter()
            .map(|message| objects::request_message(&self.context.ids, now, &thread.id, message))
            .collect();
        let handle = self.store.insert_thread(thread.clone(), messages);
        Ok((thread, handle))
    }

    pub(crate) fn thread(&self, id: &str) -> Result<Thread> {
        Ok(self.lock_thread(id)?.thread.clone())
    }

    pub(crate) fn update_thread(&self, id: &str, request: UpdateThreadRequest) -> Result<Thread> {
        let mut state = self.lock_thread(id)?;
        capabilities::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        let ThreadState { thread, charge, .. } = &mut *state;
        objects::update_stored_metadata(&mut thread.metadata, request.metadata, charge)?;
        Ok(thread.clone())
    }

    /// Deletes a thread with its messages and runs. An active run is cancelled. Its execution holds
    /// the thread until it has stopped the model and emitted the last events.
    pub(crate) fn delete_thread(&self, id: &str) -> Result<DeletedThread> {
        let handle =
            self.store.remove_thread(id).ok_or_else(|| EngineError::not_found("thread", id))?;
        let mut state = handle.lock();
        // A request that is creating a run may hold the thread, too.
        state.deleted = true;
        let ThreadState { runs, active_run_id, .. } = &mut *state;
        if let Some(run) = active_run_id.as_ref().and_then(|run_id| runs.get_mut(run_id)) {
            // The run may already be cancelling.
            let _ = begin_cancellation(run, self.context.clock.now());
        }
        Ok(DeletedThread::new(id, true))
    }

    /// Finds and locks a thread.
    pub(super) fn lock_thread(&self, id: &str) -> Result<ArcMutexGuard<RawMutex, ThreadState>> {
        Ok(self.thread_handle(id)?.lock_arc())
    }

    pub(super) fn thread_handle(&self, id: &str) -> Result<ThreadHandle> {
        self.store.thread(id).ok_or_else(|| EngineError::not_found("thread", id))
    }
}
