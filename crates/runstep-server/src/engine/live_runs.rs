//! The runs that execute in this process.
//!
//! A run that is not here is executed by another node, or by none at the moment. Then its events are
//! read from the store, a cancellation is its phase, and a deletion its absence: the executing node
//! finds both in a notification, when it writes, or in a poll (see `nodes.rs`).

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::events::EventLog;
use crate::ids::IdMap;
use crate::store::RunKey;

/// The runs that execute in this process.
#[derive(Default)]
pub(super) struct LiveRuns(Mutex<IdMap<RunKey, Arc<LiveRun>>>);

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

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    pub(super) fn all(&self) -> Vec<(RunKey, Arc<LiveRun>)> {
        let runs = self.0.lock();
        runs.iter().map(|(key, run)| (key.clone(), Arc::clone(run))).collect()
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
