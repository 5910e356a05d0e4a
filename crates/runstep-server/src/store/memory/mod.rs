//! A store in the memory of the process. Nothing survives the process.

mod all_runs;
mod apply;
mod ordered;
mod read;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::ready;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;

use super::context::{Context, ContextQuery};
use super::object::{Collection, EventChunk, Kind, Namespace, Object, Phase, RunKey, RunRecord};
use super::page::{ObjectPage, PageQuery};
use super::quota::MemoryQuota;
use super::transaction::{Claimant, Committed, Transaction};
use super::{Result, Retention, RunFilter, Store, StoreError};
use rows::{EndedRuns, INDEXED_RUN_BYTES, RunRow, Tenant, ThreadRemains, ThreadRow, size};

pub(in crate::store) use ordered::MAX_TOMBSTONES;

/// A store in memory. Its lock is held briefly and never across an await.
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    quota: Arc<MemoryQuota>,
}

struct State {
    tenants: HashMap<Namespace, Tenant>,
    /// The runs that are not at rest, in the order of their creation.
    executable: BTreeMap<u64, Arc<RunKey>>,
    /// The runs that wait for tool outputs, by the time of their expiry.
    waiting: BTreeSet<(i64, Arc<RunKey>)>,
    ended: EndedRuns,
    /// The ends of leases, by node.
    leases: HashMap<Arc<str>, i64>,
    runs_created: u64,
    revisions: u64,
    /// What deleted threads have left, to free it without the lock.
    deleted: Vec<ThreadRemains>,
}

impl MemoryStore {
    pub(crate) fn new(quota: Arc<MemoryQuota>) -> Self {
        let state = State {
            tenants: HashMap::new(),
            executable: BTreeMap::new(),
            waiting: BTreeSet::new(),
            ended: EndedRuns::default(),
            leases: HashMap::new(),
            runs_created: 0,
            revisions: 0,
            deleted: Vec::new(),
        };
        Self { state: Mutex::new(state), quota }
    }
}

/// Returns a future that is ready.
fn done<T: Send + 'static>(result: T) -> BoxFuture<'static, T> {
    ready(result).boxed()
}

impl State {
    fn thread(&self, key: &RunKey) -> Result<&ThreadRow> {
        let tenant = self.tenants.get(&key.namespace);
        let thread = tenant.and_then(|tenant| tenant.threads.get(&key.thread));
        thread.ok_or_else(|| StoreError::missing(Kind::Thread, &key.thread))
    }

    fn run(&self, key: &RunKey) -> Result<&RunRow> {
        let thread = self.thread(key)?;
        thread.runs.get(&key.run).ok_or_else(|| StoreError::missing(Kind::Run, &key.run))
    }

    fn run_mut(&mut self, key: &RunKey) -> Option<&mut RunRow> {
        self.tenants.get_mut(&key.namespace)?.threads.get_mut(&key.thread)?.runs.get_mut(&key.run)
    }

    fn remove_expired(&mut self, retention: Retention, now: i64, limit: usize) -> usize {
        let mut removed = 0;
        for tenant in self.tenants.values_mut() {
            removed += tenant.remove_old_requests(now);
        }
        while removed < limit
            && let Some(key) = self.ended.pop_events(now.saturating_sub(retention.events))
        {
            self.remove_events(&key);
            removed += 1;
        }
        while removed < limit
            && let Some(retention) = retention.runs
            && let Some(key) = self.ended.pop_run(now.saturating_sub(retention))
        {
            self.remove_run(&key);
            removed += 1;
        }
        if retention.runs.is_none() {
            self.ended.forget_runs_without_events();
        }
        removed
    }

    fn remove_events(&mut self, key: &RunKey) {
        if let Some(run) = self.run_mut(key) {
            run.events = Vec::new();
        }
    }

    fn remove_run(&mut self, key: &RunKey) {
        let Some(Tenant { threads, runs, .. }) = self.tenants.get_mut(&key.namespace) else {
            return;
        };
        if let Some(thread) = threads.get_mut(&key.thread)
            && let Some(run) = thread.runs.remove(&key.run)
        {
            let steps: usize = run.steps.iter().map(size).sum();
            thread.charge.remove(size(&run.object) + INDEXED_RUN_BYTES + steps);
            runs.remove(run.number);
        }
    }

    fn claim(&mut self, claimant: &Claimant, now: i64, limit: usize) -> Vec<RunKey> {
        let is_free = |owner: Option<&Arc<str>>| match owner {
            Some(owner) => {
                *owner != claimant.0 && self.leases.get(owner).is_none_or(|until| *until <= now)
            }
            None => true,
        };
        // The runs with their turn within their namespace.
        let mut turns: HashMap<&Namespace, usize> = HashMap::new();
        let mut free: Vec<(usize, &RunKey)> = self
            .executable
            .values()
            .filter(|key| self.run(key).is_ok_and(|run| is_free(run.owner.as_ref())))
            .map(|key| {
                let key: &RunKey = key;
                let turn = turns.entry(&key.namespace).or_default();
                *turn += 1;
                (*turn, key)
            })
            .collect();
        // Stable: the oldest of a turn stays the first.
        free.sort_by_key(|(turn, _)| *turn);
        let claimed: Vec<RunKey> =
            free.into_iter().take(limit).map(|(_, key)| key.clone()).collect();
        for key in &claimed {
            if let Some(run) = self.run_mut(key) {
                run.owner = Some(Arc::clone(&claimant.0));
                run.object.version += 1;
            }
        }
        claimed
    }
}

impl Store for MemoryStore {
    fn object(
        &self,
        namespace: &Namespace,
        collection: Collection,
        id: &str,
    ) -> BoxFuture<'static, Result<Object>> {
        let state = self.state.lock();
        let missing = || StoreError::missing(collection.kind(), id);
        let read = || {
            let tenant = state.tenants.get(namespace);
            let thread = |thread: &str| {
                let found = tenant.and_then(|tenant| tenant.threads.get(thread));
                found.ok_or_else(|| StoreError::missing(Kind::Thread, thread))
            };
            match &collection {
                Collection::Assistants => tenant.and_then(|tenant| tenant.assistants.get(id)),
                Collection::UpstreamObjects => {
                    tenant.and_then(|tenant| tenant.upstream_objects.get(id))
                }
                Collection::Threads => Some(&thread(id)?.object),
                Collection::Messages { thread: thread_id } => {
                    thread(thread_id)?.messages.get(id).map(|message| &message.object)
                }
                Collection::Runs { thread: thread_id } => {
                    thread(thread_id)?.runs.get(id).map(|run| &run.object)
                }
                Collection::Steps { thread: thread_id, run } => {
                    let found = thread(thread_id)?.runs.get(run);
                    found.ok_or_else(|| StoreError::missing(Kind::Run, run))?.steps.get(id)
                }
            }
            .cloned()
            .ok_or_else(missing)
        };
        done(read())
    }

    fn page(
        &self,
        namespace: &Namespace,
        collection: Collection,
        run: Option<String>,
        query: PageQuery,
    ) -> BoxFuture<'static, Result<ObjectPage>> {
        done(self.state.lock().page(namespace, &collection, run.as_deref(), &query))
    }

    fn context(&self, key: &RunKey, query: ContextQuery) -> BoxFuture<'static, Result<Context>> {
        done(self.state.lock().context(key, query))
    }

    fn run(&self, key: &RunKey) -> BoxFuture<'static, Result<RunRecord>> {
        done(self.state.lock().run(key).map(RunRow::record))
    }

    fn runs(
        &self,
        namespace: &Namespace,
        filter: RunFilter,
        query: PageQuery,
    ) -> BoxFuture<'static, Result<ObjectPage>> {
        done(self.state.lock().runs(namespace, &filter, &query))
    }

    fn run_counts(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Vec<(String, u64)>>> {
        let state = self.state.lock();
        let tenant = state.tenants.get(namespace);
        done(Ok(tenant.map_or_else(Vec::new, |tenant| tenant.runs.counts())))
    }

    fn events_after(
        &self,
        key: &RunKey,
        number: u64,
    ) -> BoxFuture<'static, Result<Vec<EventChunk>>> {
        let state = self.state.lock();
        let events = state.run(key).map(|run| {
            let later = run.events.iter().skip_while(|chunk| chunk.last <= number);
            later.take(1).cloned().collect()
        });
        done(events)
    }

    fn commit(&self, transaction: Transaction) -> BoxFuture<'static, Result<Committed>> {
        let mut state = self.state.lock();
        let committed = state.commit(&self.quota, transaction);
        let deleted = std::mem::take(&mut state.deleted);
        drop(state);
        deleted.into_iter().for_each(ThreadRemains::free);
        done(committed)
    }

    fn recorded(
        &self,
        namespace: &Namespace,
        key: String,
        fingerprint: [u8; 32],
        now: i64,
    ) -> BoxFuture<'static, Result<Option<Bytes>>> {
        let state = self.state.lock();
        let recorded = match state.tenants.get(namespace) {
            Some(tenant) => tenant.replay(&key, &fingerprint, now),
            None => Ok(None),
        };
        done(recorded)
    }

    fn claim_runs(
        &self,
        claimant: Claimant,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        done(Ok(self.state.lock().claim(&claimant, now, limit)))
    }

    fn claimed_runs(&self, claimant: Claimant) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        let state = self.state.lock();
        let is_claimed = |key: &&Arc<RunKey>| {
            state.run(key).is_ok_and(|run| {
                matches!(run.phase, Phase::Queued | Phase::InProgress)
                    && run.owner.as_ref() == Some(&claimant.0)
            })
        };
        done(Ok(state
            .executable
            .values()
            .filter(is_claimed)
            .map(|key| RunKey::clone(key))
            .collect()))
    }

    fn renew_lease(
        &self,
        claimant: Claimant,
        now: i64,
        until: i64,
    ) -> BoxFuture<'static, Result<usize>> {
        let mut state = self.state.lock();
        state.leases.insert(claimant.0, until);
        done(Ok(state.leases.values().filter(|until| **until > now).count()))
    }

    fn expired_runs(&self, now: i64, limit: usize) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        let state = self.state.lock();
        let expired = state.waiting.iter().take_while(|(expires_at, _)| *expires_at <= now);
        done(Ok(expired.take(limit).map(|(_, key)| RunKey::clone(key)).collect()))
    }

    fn next_expiry(&self) -> BoxFuture<'static, Result<Option<i64>>> {
        done(Ok(self.state.lock().waiting.first().map(|(expires_at, _)| *expires_at)))
    }

    fn waiting_runs(&self) -> BoxFuture<'static, Result<u64>> {
        done(Ok(self.state.lock().waiting.len() as u64))
    }

    fn remove_expired(
        &self,
        retention: Retention,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<usize>> {
        done(Ok(self.state.lock().remove_expired(retention, now, limit)))
    }

    fn check_capacity(&self) -> Result<()> {
        Ok(self.quota.check()?)
    }

    fn check_health(&self) -> Result<()> {
        Ok(())
    }
}
