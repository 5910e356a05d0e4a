//! What every store must do: the same cases run on all of them, and so do random transactions,
//! whose results are compared with a plain model.

mod all_runs;
mod cases;
mod claims;
mod contexts;
mod model;
mod property;
mod runs;

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tempfile::TempDir;

use super::*;
use crate::metrics::StoreMetrics;

/// A store under test.
pub(super) struct Harness {
    pub(super) store: SharedStore,
    _directory: Option<TempDir>,
}

impl Harness {
    fn memory() -> Self {
        let quota = MemoryQuota::new(usize::MAX, usize::MAX, Gauge::default());
        Self { store: Arc::new(MemoryStore::new(quota)), _directory: None }
    }

    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data.db");
        let options = SqliteOptions {
            durability: Durability::Normal,
            max_bytes: u64::MAX,
            metrics: StoreMetrics::default(),
            quota: MemoryQuota::new(usize::MAX, usize::MAX, Gauge::default()),
        };
        let store = SqliteStore::open(&path, options).unwrap();
        Self { store: Arc::new(store), _directory: Some(directory) }
    }

    /// Creates a store in a schema of its own, in the database of the environment variable
    /// `RUNSTEP_TEST_POSTGRES`.
    #[cfg(feature = "postgres")]
    fn postgres() -> Self {
        let address = std::env::var("RUNSTEP_TEST_POSTGRES").expect("the address of a database");
        let address = format!("{address}?schema=test_{:016x}", fastrand::u64(..));
        let options = PostgresOptions {
            address: address.parse().unwrap(),
            max_connections: 4,
            max_bytes: u64::MAX,
            metrics: StoreMetrics::default(),
            quota: MemoryQuota::new(usize::MAX, usize::MAX, Gauge::default()),
        };
        let store = PostgresStore::new(options).unwrap();
        Self { store: Arc::new(store), _directory: None }
    }

    async fn commit_in(&self, namespace: &str, now: i64, change: Change) -> Result<Committed> {
        let namespace = Namespace::new(namespace);
        let transaction = Transaction { namespace, now, idempotency: None, change };
        self.store.commit(transaction).await
    }

    async fn commit(&self, change: Change) -> Result<Committed> {
        self.commit_in("a", 0, change).await
    }

    async fn create_assistant(&self, id: &str) {
        self.commit(Change::CreateAssistant(object(id, "{}"))).await.unwrap();
    }

    async fn create_thread(&self, id: &str, messages: &[&str]) {
        self.commit(Change::CreateThread(thread(id, messages))).await.unwrap();
    }

    async fn create_run(&self, thread: &str, run: &str) -> Result<Committed> {
        self.commit(new_run(thread, run)).await
    }

    async fn read(&self, collection: Collection, id: &str) -> Result<Object> {
        self.store.object(&Namespace::new("a"), collection, id).await
    }

    async fn ids(&self, collection: Collection, query: PageQuery) -> Result<(Vec<String>, bool)> {
        let page = self.store.page(&Namespace::new("a"), collection, None, query).await?;
        let ids = page.objects.into_iter().map(|object| object.id).collect();
        Ok((ids, page.has_more))
    }

    async fn all(&self, collection: Collection) -> Vec<String> {
        let query = PageQuery { limit: 1000, newest_first: false, after: None, before: None };
        self.ids(collection, query).await.unwrap().0
    }
}

fn object(id: &str, json: &str) -> NewObject {
    NewObject { id: id.to_owned(), json: json.to_owned().into(), hidden: Bytes::new() }
}

/// A message whose estimate is one token.
fn message(id: &str) -> NewMessage {
    message_of(id, "{}", 1)
}

fn message_of(id: &str, json: &str, tokens: u64) -> NewMessage {
    NewMessage { id: id.to_owned(), json: json.to_owned().into(), tokens }
}

fn thread(id: &str, messages: &[&str]) -> NewThread {
    let messages = messages.iter().map(|id| message(id)).collect();
    NewThread { thread: object(id, "{}"), messages }
}

fn key(thread: &str, run: &str) -> RunKey {
    RunKey { namespace: Namespace::new("a"), thread: thread.to_owned(), run: run.to_owned() }
}

/// A queued run that nobody has claimed, with one event.
fn new_run(thread: &str, run: &str) -> Change {
    Change::CreateRun(Box::new(NewRun {
        thread: thread.to_owned(),
        new_thread: None,
        messages: Vec::new(),
        run: object(run, "{}"),
        phase: Phase::Queued,
        expires_at: 100,
        owner: None,
        next_event: 2,
        events: chunk(1, 1),
    }))
}

fn chunk(first: u64, last: u64) -> EventChunk {
    let text: String = (first..=last).map(|number| format!("id: {number}\n\n")).collect();
    EventChunk { first, last, is_done: false, bytes: text.into() }
}

/// A write that changes nothing.
fn empty_write(thread: &str, run: &str, version: u64) -> RunWrite {
    RunWrite {
        thread: thread.to_owned(),
        run: run.to_owned(),
        version,
        update: None,
        next_event: 2,
        steps: Vec::new(),
        messages: Vec::new(),
        events: None,
    }
}

fn update(phase: Phase) -> RunUpdate {
    let json = format!("\"{phase:?}\"").into();
    RunUpdate { json, hidden: Bytes::new(), phase, expires_at: 100, owner: None }
}

/// A write that changes the phase of a run.
fn phase_write(thread: &str, run: &str, version: u64, phase: Phase) -> Change {
    let update = Some(update(phase));
    Change::WriteRun(Box::new(RunWrite { update, ..empty_write(thread, run, version) }))
}

fn missing<T>(kind: Kind, id: &str) -> Result<T> {
    Err(StoreError::Missing { kind, id: id.to_owned() })
}

/// Runs cases on all stores.
macro_rules! on_all_stores {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Harness::memory()).await;
            })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[tokio::test]
            #[ignore = "requires a Postgres server: cargo xtask cluster"]
            async fn $case() {
                super::$case(super::Harness::postgres()).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Harness::sqlite()).await;
            })*
        }
    };
}
use on_all_stores;
