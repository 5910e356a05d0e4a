//! Admission control: limits the runs in progress and the queue of those that wait.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::error::{EngineError, Result};
use crate::metrics::{GaugeGuard, Metrics};

/// Admits runs to the queue, and from there to execution in the order of their arrival.
pub(super) struct Admission {
    max_concurrent: usize,
    max_queued: usize,
    /// Permits for all admitted runs, queued or in progress.
    queue: Arc<Semaphore>,
    execution: Arc<Semaphore>,
    active: TaskTracker,
    metrics: Arc<Metrics>,
}

/// The permit of a queued run.
pub(super) struct QueuePermit {
    execution: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    gauge: GaugeGuard,
    permit: Option<OwnedSemaphorePermit>,
    active: TaskTrackerToken,
}

/// The permit of a run in progress.
pub(super) struct ExecutionPermit {
    _execution: Option<OwnedSemaphorePermit>,
    _gauge: GaugeGuard,
    _queue: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub(super) fn new(
        max_concurrent: usize,
        max_queued: usize,
        active: TaskTracker,
        metrics: Arc<Metrics>,
    ) -> Self {
        let semaphore = |size: usize| Arc::new(Semaphore::new(size.min(Semaphore::MAX_PERMITS)));
        let max_concurrent = max_concurrent.max(1);
        let queue = semaphore(max_concurrent.saturating_add(max_queued));
        Self {
            max_concurrent,
            max_queued,
            queue,
            execution: semaphore(max_concurrent),
            active,
            metrics,
        }
    }

    /// Admits a run, unless the queue is full.
    pub(super) fn admit(&self) -> Result<QueuePermit> {
        let permit = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| {
            EngineError::QueueFull { in_progress: self.max_concurrent, queued: self.max_queued }
        })?;
        Ok(self.queue_permit(Some(permit)))
    }

    /// Returns how many runs can be admitted at the moment.
    pub(super) fn available(&self) -> usize {
        self.queue.available_permits()
    }

    /// Admits a run that a node had admitted before, also if the queue is full by now.
    pub(super) fn admit_recovered(&self) -> QueuePermit {
        self.queue_permit(Arc::clone(&self.queue).try_acquire_owned().ok())
    }

    fn queue_permit(&self, permit: Option<OwnedSemaphorePermit>) -> QueuePermit {
        QueuePermit {
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
        // The semaphore is never closed.
        let execution = self.execution.acquire_owned().await.ok();
        drop(self.gauge);
        let gauge = GaugeGuard::new(&self.metrics.runs_in_progress);
        ExecutionPermit { _execution: execution, _gauge: gauge, _queue: self.permit }
    }
}
