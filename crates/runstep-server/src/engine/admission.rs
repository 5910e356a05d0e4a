//! Admission control: limits the runs in progress and the queue of those that wait.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::error::{EngineError, Result};
use super::turns::{Turn, Turns};
use crate::limits::Limits;
use crate::metrics::{GaugeGuard, Metrics};
use crate::store::Namespace;

/// Admits runs to the queue, and from there to execution, with the namespaces in turn.
pub(super) struct Admission {
    max_concurrent: usize,
    /// The same for all nodes together.
    max_concurrent_of_all: usize,
    max_queued: usize,
    /// Permits for all admitted runs, queued or in progress.
    queue: Arc<Semaphore>,
    execution: Arc<Turns>,
    active: TaskTracker,
    metrics: Arc<Metrics>,
}

/// The permit of a queued run.
pub(super) struct QueuePermit {
    execution: Arc<Turns>,
    namespace: Namespace,
    metrics: Arc<Metrics>,
    gauge: GaugeGuard,
    permit: Option<OwnedSemaphorePermit>,
    active: TaskTrackerToken,
}

/// The permit of a run in progress.
pub(super) struct ExecutionPermit {
    _execution: Turn,
    _gauge: GaugeGuard,
    _queue: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub(super) fn new(limits: &Limits, active: TaskTracker, metrics: Arc<Metrics>) -> Self {
        let max_concurrent = limits.max_concurrent_runs.max(1);
        let admitted = max_concurrent.saturating_add(limits.max_queued_runs);
        Self {
            max_concurrent,
            max_concurrent_of_all: limits.max_concurrent_runs_of_all_nodes,
            max_queued: limits.max_queued_runs,
            queue: Arc::new(Semaphore::new(admitted.min(Semaphore::MAX_PERMITS))),
            execution: Turns::new(max_concurrent),
            active,
            metrics,
        }
    }

    /// Divides the limit of all nodes by their number.
    pub(super) fn set_nodes(&self, nodes: usize) {
        let share = self.max_concurrent_of_all.div_ceil(nodes.max(1)).max(1);
        self.execution.set_limit(share.min(self.max_concurrent));
    }

    /// Admits a run, unless the queue is full.
    pub(super) fn admit(&self, namespace: &Namespace) -> Result<QueuePermit> {
        let permit = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| {
            EngineError::QueueFull { in_progress: self.max_concurrent, queued: self.max_queued }
        })?;
        Ok(self.queue_permit(namespace, Some(permit)))
    }

    /// Returns how many runs can be admitted at the moment.
    pub(super) fn available(&self) -> usize {
        self.queue.available_permits()
    }

    /// Admits a run that a node had admitted before, also if the queue is full by now.
    pub(super) fn admit_recovered(&self, namespace: &Namespace) -> QueuePermit {
        self.queue_permit(namespace, Arc::clone(&self.queue).try_acquire_owned().ok())
    }

    fn queue_permit(
        &self,
        namespace: &Namespace,
        permit: Option<OwnedSemaphorePermit>,
    ) -> QueuePermit {
        QueuePermit {
            namespace: namespace.clone(),
            execution: Arc::clone(&self.execution),
            metrics: Arc::clone(&self.metrics),
            gauge: GaugeGuard::new(&self.metrics.runs_queued),
            permit,
            active: self.active.token(),
        }
    }
}

impl QueuePermit {
    /// Returns a token that delays a shutdown, to hold until the execution has ended.
    pub(super) fn active(&self) -> TaskTrackerToken {
        self.active.clone()
    }

    /// Waits until the run can execute.
    pub(super) async fn wait(self) -> ExecutionPermit {
        let execution = self.execution.wait(&self.namespace).await;
        drop(self.gauge);
        let gauge = GaugeGuard::new(&self.metrics.runs_in_progress);
        ExecutionPermit { _execution: execution, _gauge: gauge, _queue: self.permit }
    }
}
