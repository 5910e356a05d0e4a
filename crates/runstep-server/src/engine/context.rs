//! Engines, and the context that they share.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::error::Result;
use crate::clock::Clock;
use crate::events::{EventLog, RetainedLogs};
use crate::ids::Ids;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::model::Model;
use crate::store::{MemoryQuota, Store};

/// A hundred years, in seconds.
const MAX_RUN_LIFETIME: i64 = 100 * 365 * 24 * 60 * 60;

/// The API for the objects of one key.
pub(crate) struct Engine {
    pub(super) context: Arc<EngineContext>,
    pub(super) store: Store,
}

/// The options of an [`EngineFactory`].
pub(crate) struct EngineOptions {
    pub(crate) model: Arc<dyn Model>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) run_lifetime: Duration,
    /// Cancelled at the end of a shutdown, which stops all runs.
    pub(crate) stop_runs: CancellationToken,
    /// Tracks queued runs and runs in progress.
    pub(crate) active_runs: TaskTracker,
    pub(crate) metrics: Arc<Metrics>,
}

/// Creates engines with separate objects and a shared context.
pub(crate) struct EngineFactory(Arc<EngineContext>);

/// What the engines of a server share: everything except objects.
pub(super) struct EngineContext {
    pub(super) model: Arc<dyn Model>,
    pub(super) clock: Clock,
    pub(super) ids: Ids,
    /// In seconds.
    pub(super) run_lifetime: i64,
    pub(super) context_tokens: u64,
    pub(super) stop_runs: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
    pub(super) admission: Admission,
    pub(super) quota: Arc<MemoryQuota>,
    pub(super) retained_logs: RetainedLogs,
}

impl EngineFactory {
    pub(crate) fn new(options: EngineOptions) -> Self {
        let EngineOptions { model, clock, limits, run_lifetime, stop_runs, active_runs, metrics } =
            options;
        let run_lifetime =
            i64::try_from(run_lifetime.as_secs()).unwrap_or(i64::MAX).min(MAX_RUN_LIFETIME);
        let admission = Admission::new(
            limits.max_concurrent_runs,
            limits.max_queued_runs,
            active_runs,
            Arc::clone(&metrics),
        );
        Self(Arc::new(EngineContext {
            model,
            clock,
            ids: Ids::default(),
            run_lifetime,
            context_tokens: limits.max_context_tokens,
            stop_runs,
            admission,
            quota: MemoryQuota::new(limits.max_stored_bytes, metrics.stored_bytes.clone()),
            metrics,
            retained_logs: RetainedLogs::default(),
        }))
    }

    /// Creates an engine without objects.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        let store = Store::new(&self.0.quota);
        Arc::new(Engine { context: Arc::clone(&self.0), store })
    }
}

impl EngineContext {
    pub(super) fn new_log(&self) -> Arc<EventLog> {
        Arc::new(EventLog::new(self.metrics.events.clone()))
    }

    /// Returns an error if the memory quota does not allow any more objects.
    pub(super) fn check_quota(&self) -> Result<()> {
        Ok(self.quota.check()?)
    }
}
