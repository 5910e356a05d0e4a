//! `Reconciling`: fetches the content of malformed events once the run has settled.

use std::sync::Arc;
use std::time::Duration;

use sync_wrapper::SyncWrapper;
use tokio::time::{Instant, sleep, timeout_at};

use super::{RunStream, State};
use crate::error::Result;
use crate::polling::PollDelays;
use crate::streaming::recovery::fetch_settled;
use crate::streaming::run_api::ApiFuture;
use crate::streaming::run_state::{FetchedState, Reconciled};
use crate::streaming::snapshots::MAX_SNAPSHOT_BYTES;
use crate::time::deadline_after;

/// How long the reconciliation can delay the end of the stream.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether the snapshots lack the content of a malformed event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SnapshotGap {
    None,
    /// The content is fetched at the end of the segment.
    Open,
    /// Fetching failed. It is tried again at the end of the next segment.
    Unresolved,
}

/// Fetches the settled run. Returns `None` if the run has continued or the timeout has passed.
pub(super) type ReconcileFuture = ApiFuture<'static, Option<(FetchedState, ReconcileRetry)>>;

/// When to fetch again if the fetched state is stale.
pub(super) struct ReconcileRetry {
    deadline: Instant,
    delays: PollDelays,
}

impl RunStream {
    /// Starts a reconciliation if the snapshots have a gap. Returns whether it was started.
    pub(super) fn start_reconciling(&mut self) -> bool {
        let end = self.run_state.end();
        let has_settled = end.is_some_and(|end| !end.is_error());
        if !has_settled || self.gap != SnapshotGap::Open || !self.settings.reconnect {
            return false;
        }
        let deadline = deadline_after(self.settings.recovery_deadline.min(RECONCILE_TIMEOUT));
        let delays = PollDelays::new(None, self.settings.backoff);
        self.reconcile_after(Duration::ZERO, ReconcileRetry { deadline, delays });
        true
    }

    /// Returns whether the snapshots lack the content of a malformed event.
    pub(crate) fn has_gap(&self) -> bool {
        self.gap != SnapshotGap::None
    }

    fn reconcile_after(&mut self, delay: Duration, retry: ReconcileRetry) {
        self.gap = SnapshotGap::Unresolved;
        let Some(run) = self.run_state.run().cloned() else { return };
        let (api, include) = (Arc::clone(&self.api), self.settings.include.clone());
        let (deadline, complete) = (retry.deadline, self.run_state.complete_objects());
        let fetched: ReconcileFuture = Box::pin(async move {
            let fetched = async {
                sleep(delay).await;
                fetch_settled(&*api, &run, &include, &complete).await
            };
            let fetched = timeout_at(deadline, fetched).await.unwrap_or(Ok(None))?;
            Ok(fetched.map(|fetched| (fetched, retry)))
        });
        self.state = State::Reconciling(SyncWrapper::new(fetched));
    }

    /// Merges the fetched state. If fetching failed, the stream ends without it.
    pub(super) fn on_reconciled(
        &mut self,
        fetched: Result<Option<(FetchedState, ReconcileRetry)>>,
    ) {
        self.state = State::Idle;
        let Ok(Some((fetched, mut retry))) = fetched else { return };
        match self.run_state.reconcile(&fetched, MAX_SNAPSHOT_BYTES) {
            Reconciled::Complete => self.gap = SnapshotGap::None,
            // A run that requires action is not delayed; its next segment reconciles.
            Reconciled::Stale if self.run_state.has_ended() => {
                let delay = retry.delays.next(None);
                self.reconcile_after(delay, retry);
            }
            Reconciled::Stale | Reconciled::TooLarge => {}
        }
    }
}
