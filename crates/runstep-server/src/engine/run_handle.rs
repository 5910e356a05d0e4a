//! The access of an execution to its run: applies changes under the thread's lock and emits events.

use std::sync::Arc;

use runstep_api::types::{Message, RunStatus, StreamEvent};

use super::context::EngineContext;
use crate::events::EventLog;
use crate::store::{Ordered, QuotaCharge, RunState, ThreadHandle, ThreadState};

/// The run that an execution works on.
pub(super) struct RunHandle {
    pub(super) context: Arc<EngineContext>,
    pub(super) run_id: String,
    thread: ThreadHandle,
    /// The event log, if a client ever requested a stream of the run.
    pub(super) log: Option<Arc<EventLog>>,
}

/// The parts of a thread that a model's output changes.
pub(super) struct OutputTarget<'a> {
    pub(super) run: &'a mut RunState,
    pub(super) messages: &'a mut Ordered<Message>,
    pub(super) charge: &'a mut QuotaCharge,
}

impl RunHandle {
    pub(super) fn new(
        context: &Arc<EngineContext>,
        thread: &ThreadHandle,
        run_id: &str,
        log: Option<Arc<EventLog>>,
    ) -> Self {
        let (context, thread) = (Arc::clone(context), thread.clone());
        Self { context, run_id: run_id.to_owned(), thread, log }
    }

    /// Emits an event to the subscribers, if there is a log. Callers hold the thread's lock, so the
    /// events are in the order of the changes.
    pub(super) fn emit(&self, event: impl FnOnce() -> StreamEvent) {
        if let Some(log) = &self.log {
            log.push(&event());
        }
    }

    /// Changes the thread under its lock. The closure also gets the run's id.
    pub(super) fn with_thread<R>(
        &self,
        change: impl FnOnce(&mut ThreadState, &str) -> Option<R>,
    ) -> Option<R> {
        change(&mut self.thread.lock(), &self.run_id)
    }

    /// Applies a part of the model's output, unless the run is no longer in progress.
    pub(super) fn while_in_progress<R>(
        &self,
        change: impl FnOnce(&mut OutputTarget<'_>) -> Option<R>,
    ) -> Option<R> {
        self.with_thread(|thread, id| {
            let ThreadState { runs, messages, charge, .. } = thread;
            let run = runs.get_mut(id)?;
            if run.run.status != RunStatus::InProgress {
                return None;
            }
            change(&mut OutputTarget { run, messages, charge })
        })
    }
}
