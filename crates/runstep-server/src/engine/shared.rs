//! What engines have in common: all but their objects.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::slots::Slots;
use super::{Engine, Refusal};
use crate::clock::Clock;
use crate::events::{EventLog, Kept};
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::model::Model;
use crate::server::Limits;
use crate::store::{Storage, Store};

/// A hundred years, in seconds.
const LONGEST_LIFETIME: i64 = 100 * 365 * 24 * 60 * 60;

/// What engines are made with.
pub(crate) struct Options {
    pub(crate) model: Arc<dyn Model>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) run_lifetime: Duration,
    /// Cancelled when the server shuts down, which stops all runs.
    pub(crate) closing: CancellationToken,
    pub(crate) metrics: Arc<Metrics>,
}

/// Makes engines that see nothing of each other's objects.
pub(crate) struct Engines(Arc<Shared>);

pub(super) struct Shared {
    pub(super) model: Arc<dyn Model>,
    pub(super) clock: Clock,
    pub(super) ids: Ids,
    /// In seconds.
    pub(super) run_lifetime: i64,
    pub(super) context_tokens: u64,
    pub(super) closing: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
    pub(super) slots: Slots,
    pub(super) storage: Arc<Storage>,
    /// Events of runs that have ended.
    pub(super) kept: Kept,
}

impl Engines {
    pub(crate) fn new(options: Options) -> Self {
        let Options { model, clock, limits, run_lifetime, closing, metrics } = options;
        let run_lifetime =
            i64::try_from(run_lifetime.as_secs()).unwrap_or(i64::MAX).min(LONGEST_LIFETIME);
        let slots = Slots::new(limits.concurrent_runs, limits.queued_runs, Arc::clone(&metrics));
        Self(Arc::new(Shared {
            model,
            clock,
            ids: Ids::default(),
            run_lifetime,
            context_tokens: limits.context_tokens,
            closing,
            slots,
            storage: Storage::new(limits.stored_bytes, metrics.stored_bytes.clone()),
            metrics,
            kept: Kept::default(),
        }))
    }

    /// An engine without objects.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        let store = Store::new(&self.0.storage);
        Arc::new(Engine { shared: Arc::clone(&self.0), store })
    }
}

impl Shared {
    /// Where the events of a run go.
    pub(super) fn new_log(&self) -> Arc<EventLog> {
        Arc::new(EventLog::new(self.metrics.events.clone()))
    }

    /// Whether one more object may be made.
    pub(super) fn check_room(&self) -> Result<(), Refusal> {
        Ok(self.storage.check_room()?)
    }
}
