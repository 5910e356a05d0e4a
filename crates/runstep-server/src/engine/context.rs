//! Engines, and the context that they share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::assistant_cache::AssistantCache;
use super::context_cache::ContextCache;
use super::error::Result;
use super::expiry::Expiry;
use super::idempotency::RequestId;
use super::live_runs::{LiveRun, LiveRuns};
use super::run_feed::RunFeed;
use super::run_texts::SharedRunTexts;
use super::upstream_objects::AdoptedIds;
use crate::clock::Clock;
use crate::events::{EventLog, EventSource, Followers};
use crate::ids::Ids;
use crate::limits::{History, Limits};
use crate::metrics::Metrics;
use crate::model::Model;
use crate::store::{KeyQuota, MemoryQuota, Namespace, Retention, RunKey, SharedStore};

/// A hundred years, in seconds.
const MAX_RUN_LIFETIME: i64 = 100 * 365 * 24 * 60 * 60;

/// The API for the objects of one key.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(super) context: Arc<EngineContext>,
    pub(super) namespace: Namespace,
    /// The key of the request that this is for, if it has one,
    pub(super) idempotency_key: Option<String>,
    /// which identifies the request once it is known.
    pub(super) request: Option<RequestId>,
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
    pub(crate) store: SharedStore,
    /// Limits what is in memory.
    pub(crate) quota: Arc<MemoryQuota>,
    pub(crate) retention: Retention,
    pub(crate) history: History,
    pub(crate) adopted: AdoptedIds,
    /// How long the claims of this process are valid without renewal, in seconds.
    pub(crate) lease: i64,
}

/// Creates engines with separate objects and a shared context.
pub(crate) struct EngineFactory(Arc<EngineContext>);

/// What the engines of a server share. It has no state that others rely on: all of that is in the
/// store.
pub(super) struct EngineContext {
    pub(super) model: Arc<dyn Model>,
    pub(super) clock: Clock,
    pub(super) ids: Ids,
    /// In seconds.
    pub(super) run_lifetime: i64,
    pub(super) context_tokens: u64,
    pub(super) history: History,
    pub(super) adopted: AdoptedIds,
    pub(super) stop_runs: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
    pub(super) admission: Admission,
    quota: Arc<MemoryQuota>,
    pub(super) store: SharedStore,
    pub(super) run_texts: SharedRunTexts,
    pub(super) context_cache: ContextCache,
    pub(super) assistant_cache: AssistantCache,
    /// Names this process in claims.
    pub(super) node: Arc<str>,
    pub(super) live_runs: LiveRuns,
    pub(super) run_feed: RunFeed,
    pub(super) followers: Arc<Followers>,
    /// Notified when there may be runs to claim.
    pub(super) claims: Notify,
    /// Notified when a thread was deleted, of which rows may be left.
    pub(super) deletions: Notify,
    pub(super) expiry: Expiry,
    pub(super) retention: Retention,
    /// In seconds.
    pub(super) lease: i64,
}

impl EngineFactory {
    pub(crate) fn new(options: EngineOptions) -> Self {
        let EngineOptions { model, clock, limits, stop_runs, active_runs, metrics, .. } = options;
        let run_lifetime =
            i64::try_from(options.run_lifetime.as_secs()).unwrap_or(i64::MAX).min(MAX_RUN_LIFETIME);
        let admission = Admission::new(&limits, active_runs, Arc::clone(&metrics));
        let ids = Ids::default();
        let node = ids.next("node").into();
        Self(Arc::new(EngineContext {
            model,
            clock,
            ids,
            run_lifetime,
            context_tokens: limits.max_context_tokens,
            history: options.history,
            adopted: options.adopted,
            stop_runs,
            admission,
            metrics,
            quota: options.quota,
            store: options.store,
            run_texts: SharedRunTexts::default(),
            context_cache: ContextCache::default(),
            assistant_cache: AssistantCache::default(),
            node,
            live_runs: LiveRuns::default(),
            run_feed: RunFeed::default(),
            followers: Arc::default(),
            claims: Notify::new(),
            deletions: Notify::new(),
            expiry: Expiry::default(),
            retention: options.retention,
            lease: options.lease,
        }))
    }

    /// Starts background tasks, if they are not running yet: recovery and expiry of runs. Must be called
    /// within a tokio runtime.
    pub(crate) fn start_background_tasks(&self) {
        self.0.expiry.start(&self.0);
    }

    /// Creates an engine for the objects of a namespace.
    pub(crate) fn engine(&self, namespace: Namespace) -> Arc<Engine> {
        let context = Arc::clone(&self.0);
        Arc::new(Engine { context, namespace, idempotency_key: None, request: None })
    }
}

impl Engine {
    pub(super) fn run_key(&self, thread_id: &str, run_id: &str) -> RunKey {
        let (thread, run) = (thread_id.to_owned(), run_id.to_owned());
        RunKey { namespace: self.namespace.clone(), thread, run }
    }

    /// Returns the memory quota of the key.
    pub(super) fn quota(&self) -> Arc<KeyQuota> {
        self.context.quota(&self.namespace)
    }

    pub(super) fn event_source(&self, key: &RunKey) -> EventSource {
        let (store, followers) = (&self.context.store, &self.context.followers);
        EventSource { store: Arc::clone(store), key: key.clone(), followers: Arc::clone(followers) }
    }

    /// Updates the metrics that are read from the store.
    pub(crate) async fn refresh_metrics(&self) {
        self.context.store.refresh_metrics();
        if let Ok(waiting) = self.context.store.waiting_runs().await {
            let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
            self.context.metrics.runs_requiring_action.set(waiting);
        }
    }

    /// Returns an error if the store does not accept changes.
    pub(crate) fn check_health(&self) -> Result<()> {
        Ok(self.context.store.check_health()?)
    }

    /// Starts background tasks as [`EngineFactory::start_background_tasks`] does.
    pub(crate) fn start_background_tasks(&self) {
        self.context.expiry.start(&self.context);
    }
}

impl EngineContext {
    /// Returns the memory quota of a key.
    pub(super) fn quota(&self, namespace: &Namespace) -> Arc<KeyQuota> {
        self.quota.key(namespace)
    }

    /// Creates an execution whose first event has this number.
    pub(super) fn live_run(&self, first_event: u64) -> Arc<LiveRun> {
        LiveRun::new(EventLog::new(self.metrics.events.clone(), first_event))
    }
}
