//! A store in one SQLite file.

mod admin;
mod all_runs;
mod assistants;
mod claims;
mod delete;
mod group;
mod identity;
mod open;
mod read;
mod replace;
mod retention;
mod run_rows;
mod schema;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::future::{self, BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use rusqlite::{Connection, params};
use tokio::sync::Semaphore;

use super::context::{Context, ContextQuery};
use super::object::{Collection, EventChunk, Namespace, Object, RunKey, RunRecord};
use super::page::{ObjectPage, PageQuery};
use super::quota::MemoryQuota;
use super::transaction::{Change, Claimant, Committed, Transaction};
use super::{Result, Retention, RunFilter, Store, StoreError};
use crate::error::DataFileError;
use crate::metrics::StoreMetrics;
pub use admin::{backup, check, export, import};
use assistants::{AssistantCache, PendingChange};
use group::Writer;
use identity::FileIdentity;
pub use open::Durability;
use open::{FileLock, open_reader, open_writer};
use tables::Failure;

/// The number of connections that read. Reads block a thread, so there are few.
const READERS: usize = 4;

/// A store in a file.
pub(crate) struct SqliteStore {
    writer: Arc<Writer>,
    readers: Arc<Readers>,
    assistants: Arc<AssistantCache>,
    path: PathBuf,
    metrics: StoreMetrics,
    quota: Arc<MemoryQuota>,
}

/// The options of a [`SqliteStore`].
#[derive(Clone, Debug)]
pub(crate) struct SqliteOptions {
    pub(crate) durability: Durability,
    /// The size of the data at which the store accepts no more objects.
    pub(crate) max_bytes: u64,
    pub(crate) metrics: StoreMetrics,
    /// Limits the long texts that were read and are still in use.
    pub(crate) quota: Arc<MemoryQuota>,
}

/// The connections that read. They are opened when they are needed.
struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteStore {
    /// Opens or creates a file. Blocks the thread.
    pub(crate) fn open(path: &Path, options: SqliteOptions) -> Result<Self, DataFileError> {
        let SqliteOptions { durability, max_bytes, metrics, quota } = options;
        let lock = FileLock::acquire(path)?;
        let connection = open_writer(path, durability)?;
        let database = |error: rusqlite::Error| DataFileError::Database {
            path: path.to_owned(),
            message: error.to_string(),
        };
        // No other process executes runs of this file, so no lease is valid.
        connection.execute("DELETE FROM nodes", []).map_err(database)?;
        let identity = FileIdentity::of(path);
        let writer = Writer::new(connection, lock, identity, max_bytes, metrics.clone());
        let writer = writer.map_err(database)?;
        let (writer, readers) = (Arc::new(writer), Arc::new(Readers::new(path)));
        let (assistants, path) = (Arc::default(), path.to_owned());
        Ok(Self { writer, readers, assistants, path, metrics, quota })
    }
}

impl SqliteStore {
    /// Marks the assistant that a transaction changes.
    fn begin_change(&self, transaction: &Transaction) -> Option<PendingChange> {
        let id = match &transaction.change {
            Change::Replace { collection: Collection::Assistants, object, .. } => &object.id,
            Change::Delete { collection: Collection::Assistants, id } => id,
            _ => return None,
        };
        Some(self.assistants.begin_change(&transaction.namespace, id))
    }
}

impl Readers {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            permits: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::default(),
        }
    }

    /// Reads on a thread that may block.
    fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let readers = Arc::clone(self);
        async move {
            // The semaphore is never closed.
            let permit = Arc::clone(&readers.permits).acquire_owned().await.ok();
            let task = tokio::task::spawn_blocking(move || {
                // The read goes on if the caller no longer waits.
                let _permit = permit;
                let idle = readers.idle.lock().pop();
                let connection = match idle {
                    Some(connection) => connection,
                    None => open_reader(&readers.path).map_err(|error| unavailable(&error))?,
                };
                let result = read(&connection);
                readers.idle.lock().push(connection);
                result.map_err(|failure| match failure {
                    Failure::Refused(error) => error,
                    Failure::Database(error) => unavailable(&error),
                })
            });
            let stopped = |_| Err(StoreError::Unavailable("the server is shutting down".into()));
            task.await.unwrap_or_else(stopped)
        }
        .boxed()
    }
}

/// Converts an error of the database. The message has no content of objects.
fn unavailable(error: &rusqlite::Error) -> StoreError {
    tracing::error!(target: "runstep_server::store", %error, "the data file failed");
    StoreError::Unavailable(error.to_string().into())
}

impl Store for SqliteStore {
    fn object(
        &self,
        namespace: &Namespace,
        collection: Collection,
        id: &str,
    ) -> BoxFuture<'static, Result<Object>> {
        let mut cache = None;
        if collection == Collection::Assistants {
            if let Some(assistant) = self.assistants.get(namespace, id) {
                return future::ready(Ok(assistant)).boxed();
            }
            cache = Some((Arc::clone(&self.assistants), self.assistants.revision()));
        }
        let (namespace, id) = (namespace.clone(), id.to_owned());
        let quota = self.quota.key(&namespace);
        self.readers.read(move |connection| {
            let object = read::object(connection, &namespace, &quota, &collection, &id)?;
            if let Some((cache, revision)) = &cache {
                cache.insert(&namespace, &object, *revision);
            }
            Ok(object)
        })
    }

    fn page(
        &self,
        namespace: &Namespace,
        collection: Collection,
        run: Option<String>,
        query: PageQuery,
    ) -> BoxFuture<'static, Result<ObjectPage>> {
        let namespace = namespace.clone();
        let quota = self.quota.key(&namespace);
        self.readers.read(move |connection| {
            read::page(connection, &namespace, &quota, &collection, run.as_deref(), &query)
        })
    }

    fn context(&self, key: &RunKey, query: ContextQuery) -> BoxFuture<'static, Result<Context>> {
        let (key, quota) = (key.clone(), self.quota.key(&key.namespace));
        self.readers.read(move |connection| read::context(connection, &key, &quota, query))
    }

    fn run(&self, key: &RunKey) -> BoxFuture<'static, Result<RunRecord>> {
        let (key, quota) = (key.clone(), self.quota.key(&key.namespace));
        self.readers.read(move |connection| read::run(connection, &key, &quota))
    }

    fn runs(
        &self,
        namespace: &Namespace,
        filter: RunFilter,
        query: PageQuery,
    ) -> BoxFuture<'static, Result<ObjectPage>> {
        let namespace = namespace.clone();
        let quota = self.quota.key(&namespace);
        self.readers
            .read(move |connection| all_runs::page(connection, &namespace, &quota, &filter, &query))
    }

    fn run_counts(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Vec<(String, u64)>>> {
        let namespace = namespace.clone();
        self.readers.read(move |connection| all_runs::counts(connection, &namespace))
    }

    fn events_after(
        &self,
        key: &RunKey,
        number: u64,
    ) -> BoxFuture<'static, Result<Vec<EventChunk>>> {
        let (key, quota) = (key.clone(), self.quota.key(&key.namespace));
        self.readers.read(move |connection| read::events_after(connection, &key, &quota, number))
    }

    fn commit(&self, transaction: Transaction) -> BoxFuture<'static, Result<Committed>> {
        // Counted while it waits for its commit. What executions write is counted there.
        let quota = self.quota.key(&transaction.namespace);
        let bytes = transaction.change.created_bytes();
        let in_transit = match quota.reserve(bytes) {
            Ok(charge) => charge,
            Err(error) => return future::ready(Err(error.into())).boxed(),
        };
        let (writer, pending) = (Arc::clone(&self.writer), self.begin_change(&transaction));
        self.writer.write(move |connection, tables| {
            let _held = (&in_transit, &pending);
            let committed =
                tables.commit(connection, &transaction, || Ok(writer.check_capacity()?))?;
            writer.expect_growth(bytes);
            Ok(committed)
        })
    }

    fn recorded(
        &self,
        namespace: &Namespace,
        key: String,
        fingerprint: [u8; 32],
        now: i64,
    ) -> BoxFuture<'static, Result<Option<Bytes>>> {
        let namespace = namespace.clone();
        let quota = self.quota.key(&namespace);
        self.readers.read(move |connection| {
            read::recorded(connection, &namespace, &quota, &key, &fingerprint, now)
        })
    }

    fn claim_runs(
        &self,
        claimant: Claimant,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        self.writer
            .write(move |connection, _| claims::claim_runs(connection, &claimant, now, limit))
    }

    fn claimed_runs(&self, claimant: Claimant) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        self.readers.read(move |connection| claims::claimed_runs(connection, &claimant))
    }

    fn renew_lease(
        &self,
        claimant: Claimant,
        now: i64,
        until: i64,
    ) -> BoxFuture<'static, Result<usize>> {
        self.writer.write(move |connection, _| {
            let sql = "INSERT OR REPLACE INTO nodes (id, lease_until) VALUES (?1, ?2)";
            connection.prepare_cached(sql)?.execute(params![claimant.0, until])?;
            let sql = "SELECT count(*) FROM nodes WHERE lease_until > ?1";
            let nodes: Option<i64> = tables::optional(connection, sql, [now])?;
            Ok(usize::try_from(nodes.unwrap_or_default()).unwrap_or_default())
        })
    }

    fn expired_runs(&self, now: i64, limit: usize) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        self.readers.read(move |connection| read::expired_runs(connection, now, limit))
    }

    fn next_expiry(&self) -> BoxFuture<'static, Result<Option<i64>>> {
        self.readers.read(move |connection| {
            let sql = "SELECT expires_at FROM runs WHERE phase = 2 ORDER BY expires_at LIMIT 1";
            tables::optional(connection, sql, [])
        })
    }

    fn waiting_runs(&self) -> BoxFuture<'static, Result<u64>> {
        self.readers.read(move |connection| {
            let sql = "SELECT count(*) FROM runs WHERE phase = 2";
            let count: Option<i64> = tables::optional(connection, sql, [])?;
            Ok(count.unwrap_or_default().unsigned_abs())
        })
    }

    fn remove_expired(
        &self,
        retention: Retention,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<usize>> {
        self.writer.write(move |connection, _| {
            let removed = delete::remove_deleted(connection, limit)?;
            Ok(removed + retention::remove_expired(connection, retention, now, limit)?)
        })
    }

    fn check_capacity(&self) -> Result<()> {
        Ok(self.writer.check_capacity()?)
    }

    fn check_health(&self) -> Result<()> {
        match self.writer.failure() {
            Some(message) => Err(StoreError::Unavailable(message)),
            None => Ok(()),
        }
    }

    fn refresh_metrics(&self) {
        let mut wal = self.path.as_os_str().to_owned();
        wal.push("-wal");
        let length = std::fs::metadata(wal).map_or(0, |metadata| metadata.len());
        self.metrics.wal_bytes.set(i64::try_from(length).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests;
