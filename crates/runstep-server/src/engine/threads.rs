//! Threads: made, changed and deleted.

use runstep_api::types::{CreateThreadRequest, DeletedThread, Thread, UpdateThreadRequest};

use super::runs::stop;
use super::{Engine, Refusal, objects, support};
use crate::store::{ThreadHandle, ThreadState};

impl Engine {
    pub(crate) fn create_thread(&self, request: CreateThreadRequest) -> Result<Thread, Refusal> {
        self.insert_thread("", request).map(|(thread, _)| thread)
    }

    pub(super) fn insert_thread(
        &self,
        prefix: &str,
        request: CreateThreadRequest,
    ) -> Result<(Thread, ThreadHandle), Refusal> {
        support::check_tool_resources(
            &format!("{prefix}tool_resources"),
            request.tool_resources.as_option(),
        )?;
        let given = request.messages.unwrap_or_default();
        for (index, message) in given.iter().enumerate() {
            support::check_message(
                &format!("{prefix}messages[{index}]."),
                message,
                self.shared.model.sees_images(),
            )?;
        }
        self.shared.check_room()?;
        let now = self.shared.clock.now();
        let mut thread = Thread::new(self.shared.ids.next("thread"), now);
        thread.metadata = Some(request.metadata.into_option().unwrap_or_default());
        let messages = given
            .into_iter()
            .map(|message| objects::given_message(&self.shared.ids, now, &thread.id, message))
            .collect();
        let handle = self.store.insert_thread(thread.clone(), messages);
        Ok((thread, handle))
    }

    pub(crate) fn thread(&self, id: &str) -> Result<Thread, Refusal> {
        Ok(self.handle(id)?.lock().thread.clone())
    }

    pub(crate) fn update_thread(
        &self,
        id: &str,
        request: UpdateThreadRequest,
    ) -> Result<Thread, Refusal> {
        let handle = self.handle(id)?;
        support::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        let mut state = handle.lock();
        let ThreadState { thread, charge, .. } = &mut *state;
        objects::change_kept_metadata(&mut thread.metadata, request.metadata, charge)?;
        Ok(thread.clone())
    }

    /// Deletes a thread and all that is on it. An active run is asked to stop: its leg has the
    /// thread in hand, stops the model, tells its listener how it ended, and lets go of the thread.
    pub(crate) fn delete_thread(&self, id: &str) -> Result<DeletedThread, Refusal> {
        let handle =
            self.store.remove_thread(id).ok_or_else(|| Refusal::not_found("thread", id))?;
        let mut state = handle.lock();
        // A run that is being created at this moment has the thread in hand, too.
        state.deleted = true;
        let ThreadState { runs, active, .. } = &mut *state;
        if let Some(run) = active.as_ref().and_then(|run_id| runs.get_mut(run_id)) {
            // One that is stopping already needs nothing more.
            let _ = stop(run, self.shared.clock.now());
        }
        Ok(DeletedThread::new(id, true))
    }

    pub(super) fn handle(&self, id: &str) -> Result<ThreadHandle, Refusal> {
        self.store.thread(id).ok_or_else(|| Refusal::not_found("thread", id))
    }
}
