//! Transactions whose outcome is not known, because the connection to the database was lost during
//! their commit.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::context::EngineContext;
use super::run_feed::RunChange;
use crate::store::{
    Change, Committed, Namespace, Result, RunKey, SharedStore, StoreError, Transaction,
};

/// The delays between attempts to read what was committed.
const MIN_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// How to recognize a transaction that was committed.
struct Evidence {
    key: RunKey,
    /// The version of the run after the transaction.
    version: u64,
    /// The number of the first event of the transaction. Numbers are used once.
    first_event: Option<u64>,
}

/// Commits a transaction that creates or writes a run. Reads the run back if the outcome is not
/// known: returns [`StoreError::Unavailable`] if nothing was written. Others are committed as they
/// are. Subscribers to changes of runs are notified.
pub(super) fn commit_run_write(
    context: &Arc<EngineContext>,
    transaction: Transaction,
) -> BoxFuture<'static, Result<Committed>> {
    // Only connections to a shared store can be lost.
    let evidence = match context.store.is_shared() {
        true => Evidence::of(&transaction.namespace, &transaction.change),
        false => None,
    };
    let change = RunChange::of(&transaction.change);
    let change = change.map(|change| (transaction.namespace.clone(), change));
    let (context, commit) = (Arc::clone(context), context.store.commit(transaction));
    async move {
        let committed = match (commit.await, evidence) {
            (Err(StoreError::UnknownOutcome(reason)), Some(evidence)) => {
                find_out(&context.store, evidence, reason).await
            }
            (committed, _) => committed,
        };
        if let (Ok(_), Some((namespace, change))) = (&committed, change) {
            context.run_feed.publish(&namespace, change);
        }
        committed
    }
    .boxed()
}

async fn find_out(store: &SharedStore, evidence: Evidence, reason: Arc<str>) -> Result<Committed> {
    let Evidence { key, version, first_event } = evidence;
    let mut delay = MIN_DELAY;
    loop {
        match is_committed(store, &key, version, first_event).await {
            // If the run has changed since, the next write finds that.
            Ok(true) => return Ok(Committed { version, ..Committed::default() }),
            Ok(false) => return Err(StoreError::Unavailable(reason)),
            Err(StoreError::Missing { .. }) if version == 0 => {
                return Err(StoreError::Unavailable(reason));
            }
            Err(error @ StoreError::Missing { .. }) => return Err(error),
            Err(_) => tokio::time::sleep(delay).await,
        }
        delay = (delay * 2).min(MAX_DELAY);
    }
}

async fn is_committed(
    store: &SharedStore,
    key: &RunKey,
    version: u64,
    first_event: Option<u64>,
) -> Result<bool> {
    if version == 0 {
        return store.run(key).await.map(|_| true);
    }
    // A write without events changes nothing but the run, so it can be repeated.
    let Some(first) = first_event else { return Ok(false) };
    let chunks = store.events_after(key, first.saturating_sub(1)).await?;
    Ok(chunks.first().is_some_and(|chunk| chunk.first == first))
}

impl Evidence {
    fn of(namespace: &Namespace, change: &Change) -> Option<Self> {
        let key = |thread: &str, run: &str| RunKey {
            namespace: namespace.clone(),
            thread: thread.to_owned(),
            run: run.to_owned(),
        };
        match change {
            Change::CreateRun(new) => {
                Some(Self { key: key(&new.thread, &new.run.id), version: 0, first_event: None })
            }
            Change::WriteRun(write) => Some(Self {
                key: key(&write.thread, &write.run),
                version: write.version + 1,
                first_event: write.events.as_ref().map(|events| events.first),
            }),
            _ => None,
        }
    }
}
