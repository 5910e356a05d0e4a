//! A store that several engines share, whose commits can have unknown outcomes.

use std::sync::Arc;

use axum::body::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::broadcast;

use crate::store::{
    Change, Claimant, Collection, Committed, Context, ContextQuery, EventChunk, MemoryQuota,
    MemoryStore, Namespace, Notification, Object, ObjectPage, PageQuery, Phase, Result, Retention,
    RunFilter, RunKey, RunRecord, SharedStore, Store, StoreError, Transaction,
};

/// A store in memory that several engines share.
pub(super) struct NodeStore {
    pub(super) inner: SharedStore,
    pub(super) notifications: broadcast::Sender<Notification>,
    /// Whether nodes are notified.
    pub(super) notifies: bool,
    /// Commits whose outcome is not known: whether each is committed, after how many others.
    pub(super) lost: Mutex<Option<(usize, bool)>>,
}

impl NodeStore {
    pub(super) fn new(notifies: bool) -> Arc<Self> {
        let quota = MemoryQuota::new(usize::MAX, usize::MAX, Gauge::default());
        Self::over(Arc::new(MemoryStore::new(quota)), notifies)
    }

    pub(super) fn over(inner: SharedStore, notifies: bool) -> Arc<Self> {
        let notifications = broadcast::channel(1000).0;
        Arc::new(Self { inner, notifications, notifies, lost: Mutex::default() })
    }

    pub(super) fn notify(&self, notification: Notification) {
        if self.notifies {
            let _ = self.notifications.send(notification);
        }
    }

    /// Takes the fate of a commit, if its outcome is not known.
    pub(super) fn take_lost(&self) -> Option<bool> {
        let mut lost = self.lost.lock();
        match lost.as_mut()? {
            (0, is_committed) => {
                let is_committed = *is_committed;
                *lost = None;
                Some(is_committed)
            }
            (count, _) => {
                *count -= 1;
                None
            }
        }
    }
}

impl Store for NodeStore {
    fn object(
        &self,
        namespace: &Namespace,
        collection: Collection,
        id: &str,
    ) -> BoxFuture<'static, Result<Object>> {
        self.inner.object(namespace, collection, id)
    }

    fn page(
        &self,
        namespace: &Namespace,
        collection: Collection,
        run: Option<String>,
        query: PageQuery,
    ) -> BoxFuture<'static, Result<ObjectPage>> {
        self.inner.page(namespace, collection, run, query)
    }

    fn context(&self, key: &RunKey, query: ContextQuery) -> BoxFuture<'static, Result<Context>> {
        self.inner.context(key, query)
    }

    fn run(&self, key: &RunKey) -> BoxFuture<'static, Result<RunRecord>> {
        self.inner.run(key)
    }

    fn runs(
        &self,
        namespace: &Namespace,
        filter: RunFilter,
        query: PageQuery,
    ) -> BoxFuture<'static, Result<ObjectPage>> {
        self.inner.runs(namespace, filter, query)
    }

    fn run_counts(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Vec<(String, u64)>>> {
        self.inner.run_counts(namespace)
    }

    fn events_after(
        &self,
        key: &RunKey,
        number: u64,
    ) -> BoxFuture<'static, Result<Vec<EventChunk>>> {
        self.inner.events_after(key, number)
    }

    fn commit(&self, transaction: Transaction) -> BoxFuture<'static, Result<Committed>> {
        let lost = self.take_lost();
        let unknown = || Err(StoreError::UnknownOutcome("the connection was lost".into()));
        if lost == Some(false) {
            return async move { unknown() }.boxed();
        }
        let namespace = transaction.namespace.clone();
        let key = |thread: &str, run: &str| RunKey {
            namespace: namespace.clone(),
            thread: thread.to_owned(),
            run: run.to_owned(),
        };
        let (written, deleted) = match &transaction.change {
            Change::WriteRun(write) => {
                let phase = write.update.as_ref().map(|update| update.phase);
                (Some((key(&write.thread, &write.run), phase)), None)
            }
            Change::Delete { collection: Collection::Threads, id } => (None, Some(id.clone())),
            _ => (None, None),
        };
        let commit = self.inner.commit(transaction);
        let notifications = self.notifies.then(|| self.notifications.clone());
        async move {
            let committed = commit.await?;
            let notify = |notification| {
                notifications.as_ref().map(|sender| sender.send(notification));
            };
            if let Some((key, phase)) = written {
                if phase == Some(Phase::Cancelling) {
                    notify(Notification::RunStopped(key.clone()));
                }
                notify(Notification::RunChanged(key));
            }
            if let (Some(thread), Some(run)) = (deleted, committed.active_run.clone()) {
                notify(Notification::RunStopped(RunKey { namespace, thread, run }));
            }
            if lost.is_some() { unknown() } else { Ok(committed) }
        }
        .boxed()
    }

    fn recorded(
        &self,
        namespace: &Namespace,
        key: String,
        fingerprint: [u8; 32],
        now: i64,
    ) -> BoxFuture<'static, Result<Option<Bytes>>> {
        self.inner.recorded(namespace, key, fingerprint, now)
    }

    fn claim_runs(
        &self,
        claimant: Claimant,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        self.inner.claim_runs(claimant, now, limit)
    }

    fn claimed_runs(&self, claimant: Claimant) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        self.inner.claimed_runs(claimant)
    }

    fn renew_lease(
        &self,
        claimant: Claimant,
        now: i64,
        until: i64,
    ) -> BoxFuture<'static, Result<usize>> {
        self.inner.renew_lease(claimant, now, until)
    }

    fn expired_runs(&self, now: i64, limit: usize) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        self.inner.expired_runs(now, limit)
    }

    fn next_expiry(&self) -> BoxFuture<'static, Result<Option<i64>>> {
        self.inner.next_expiry()
    }

    fn waiting_runs(&self) -> BoxFuture<'static, Result<u64>> {
        self.inner.waiting_runs()
    }

    fn remove_expired(
        &self,
        retention: Retention,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<usize>> {
        self.inner.remove_expired(retention, now, limit)
    }

    fn check_capacity(&self) -> Result<()> {
        self.inner.check_capacity()
    }

    fn check_health(&self) -> Result<()> {
        self.inner.check_health()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn notifications(&self) -> BoxStream<'static, Notification> {
        let receiver = self.notifications.subscribe();
        let next = async |mut receiver: broadcast::Receiver<Notification>| {
            let notification = receiver.recv().await.ok()?;
            Some((notification, receiver))
        };
        stream::unfold(receiver, next).boxed()
    }

    fn publish_deltas(&self, key: &RunKey, deltas: EventChunk) {
        self.notify(Notification::Deltas(key.clone(), deltas));
    }
}
