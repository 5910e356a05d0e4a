//! The runs that execute in this process.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::events::EventLog;
use crate::store::RunKey;

/// The runs that execute in this process.
#[derive(Default)]
pub(super) struct LiveRuns(Mutex<HashMap<RunKey, Arc<LiveRun>>>);

/// A run that executes in this process.
pub(super) struct LiveRun {
    pub(super) log: Arc<EventLog>,
    /// Stops the model after the run was cancelled or deleted.
    pub(super) cancel: CancellationToken,
}

impl LiveRun {
    pub(super) fn new(log: EventLog) -> Arc<Self> {
        Arc::new(Self { log: Arc::new(log), cancel: CancellationToken::new() })
    }
}

impl LiveRuns {
    pub(super) fn get(&self, key: &RunKey) -> Option<Arc<LiveRun>> {
        self.0.lock().get(key).cloned()
    }

    pub(super) fn insert(&self, key: RunKey, run: Arc<LiveRun>) {
        self.0.lock().insert(key, run);
    }

    /// Removes an execution, unless a later one of the same run has replaced it.
    pub(super) fn remove(&self, key: &RunKey, run: &Arc<LiveRun>) {
        let mut runs = self.0.lock();
        if runs.get(key).is_some_and(|current| Arc::ptr_eq(current, run)) {
            runs.remove(key);
        }
    }
}
