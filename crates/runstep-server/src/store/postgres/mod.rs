//! A store in a Postgres database, which several servers can share.
//!
//! | file | contents |
//! | --- | --- |
//! | `tables_1.sql`, `functions_1.sql`, … | the schema by version: a function for each change |
//! | `schema.rs` | migrations |
//! | `connect.rs` | the address, TLS, and the connections |
//! | `commit.rs` | transactions, one statement each |
//! | `lists_4.sql` | indexes for lists of all threads and runs |
//! | `repeat.rs` | transactions whose outcome is not known |
//! | `read.rs` | reads |
//! | `all_runs.rs` | lists of the runs of all threads |
//! | `claims.rs` | claims, leases and retention |
//! | `notify.rs`, `message.rs` | notifications between nodes |

mod all_runs;
mod claims;
mod commit;
mod connect;
mod message;
mod notify;
mod read;
mod repeat;
mod schema;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use deadpool_postgres::Object as Client;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::BoxStream;
use parking_lot::Mutex;

use super::context::{Context, ContextQuery};
use super::notification::Notification;
use super::object::{Collection, EventChunk, Namespace, Object, RunKey, RunRecord};
use super::page::{ObjectPage, PageQuery};
use super::transaction::{Claimant, Committed, Transaction};
use super::{MemoryQuota, QuotaExceeded, Result, Retention, RunFilter, Store, StoreError};
use crate::error::DatabaseError;
use crate::metrics::StoreMetrics;
use connect::Pool;
pub use connect::{PostgresAddress, PostgresAddressError};
use notify::Notifier;

/// How long an operation may wait for the database.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction with an unknown outcome is repeated to find out.
const REPEAT_TIME: Duration = Duration::from_secs(5);
const REPEAT_INTERVAL: Duration = Duration::from_millis(100);

/// A store in a database.
pub(crate) struct PostgresStore(Arc<Shared>);

struct Shared {
    pool: Pool,
    notifier: Notifier,
    max_bytes: u64,
    /// The size of the data when it was last measured.
    bytes: AtomicU64,
    /// Why the last operation failed.
    failure: Mutex<Option<Arc<str>>>,
    metrics: StoreMetrics,
    quota: Arc<MemoryQuota>,
}

/// The options of a [`PostgresStore`].
pub(crate) struct PostgresOptions {
    pub(crate) address: PostgresAddress,
    pub(crate) max_connections: usize,
    /// The size of the data at which the store accepts no more objects.
    pub(crate) max_bytes: u64,
    pub(crate) metrics: StoreMetrics,
    /// Counts what was read while it is in use.
    pub(crate) quota: Arc<MemoryQuota>,
}

/// Why an operation on the database fails.
#[derive(Debug)]
enum Failure {
    /// It is not possible. Nothing was written.
    Refused(StoreError),
    /// There is no connection. Nothing was sent.
    Unavailable(String),
    /// The statement failed, or the connection was lost before its result arrived.
    Database(tokio_postgres::Error),
    /// There was no result in time.
    Timeout,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl Failure {
    /// Returns whether the statement may have been executed.
    fn is_ambiguous(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Unavailable(_) => false,
            Self::Timeout => true,
            // An error that the database reports means that it did not commit, unless it is
            // stopping.
            Self::Database(error) => error.code().is_none_or(|code| code.code().starts_with("57P")),
        }
    }

    /// Returns whether the same statement may succeed later.
    fn is_transient(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Unavailable(_) | Self::Timeout => true,
            Self::Database(error) => repeat::is_transient(error),
        }
    }

    fn message(&self) -> Arc<str> {
        match self {
            Self::Refused(error) => error.to_string().into(),
            Self::Unavailable(message) => message.as_str().into(),
            Self::Database(error) => match error.as_db_error() {
                // Its details can have content of objects.
                Some(error) => format!("{} ({})", error.message(), error.code().code()).into(),
                None => error.to_string().into(),
            },
            Self::Timeout => "the database does not respond".into(),
        }
    }
}

impl PostgresStore {
    /// Creates a store. It connects when it is first used, and again after it has lost a connection.
    pub(crate) fn new(options: PostgresOptions) -> Result<Self, DatabaseError> {
        let PostgresOptions { address, max_connections, max_bytes, metrics, quota } = options;
        let notifier = Notifier::new(address.clone())?;
        let pool = Pool::new(address, max_connections)?;
        let (bytes, failure) = (AtomicU64::new(0), Mutex::default());
        Ok(Self(Arc::new(Shared { pool, notifier, max_bytes, bytes, failure, metrics, quota })))
    }

    /// Connects to a database, and creates or upgrades its tables.
    pub(crate) async fn migrate(address: &PostgresAddress) -> Result<(), DatabaseError> {
        Pool::new(address.clone(), 1)?.prepare().await
    }
}

impl Shared {
    /// Executes an operation on a connection.
    async fn with<T, F>(
        self: Arc<Self>,
        operation: impl FnOnce(Client) -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send,
    {
        self.metrics.operations.inc();
        let client = self.pool.get().await.map_err(Failure::Unavailable);
        let result = match client {
            Ok(client) => tokio::time::timeout(TIMEOUT, operation(client))
                .await
                .unwrap_or(Err(Failure::Timeout)),
            Err(failure) => Err(failure),
        };
        *self.failure.lock() = match &result {
            Ok(_) | Err(Failure::Refused(_)) => None,
            Err(failure) => Some(failure.message()),
        };
        result
    }

    /// Executes a read.
    fn read<T, F>(
        self: &Arc<Self>,
        operation: impl FnOnce(Client) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let shared = Arc::clone(self);
        async move { shared.with(operation).await.map_err(unavailable) }.boxed()
    }

    /// Commits a transaction. If the connection is lost before the result arrives, the transaction
    /// is repeated, and recognizes what it has written.
    async fn commit(self: Arc<Self>, transaction: Transaction) -> Result<Committed> {
        if transaction.change.is_creation() {
            self.check_capacity()?;
        }
        let started = Instant::now();
        let transaction = Arc::new(transaction);
        let quota = self.quota.key(&transaction.namespace);
        let mut is_repeated = false;
        loop {
            let (current, quota) = (Arc::clone(&transaction), &quota);
            let attempt = |client| async move {
                if is_repeated {
                    repeat::repeat(&client, &current, quota).await
                } else {
                    commit::commit(&client, &current).await
                }
            };
            match Arc::clone(&self).with(attempt).await {
                Ok(committed) => {
                    self.metrics.commit_duration.observe(started.elapsed().as_secs_f64());
                    self.notifier.committed(&transaction, &committed);
                    return Ok(committed);
                }
                Err(Failure::Refused(error)) => return Err(error),
                Err(failure) => {
                    is_repeated |= failure.is_ambiguous();
                    if failure.is_transient() && started.elapsed() < REPEAT_TIME {
                        tokio::time::sleep(REPEAT_INTERVAL).await;
                    } else if is_repeated {
                        return Err(StoreError::UnknownOutcome(failure.message()));
                    } else {
                        return Err(unavailable(failure));
                    }
                }
            }
        }
    }

    fn check_capacity(&self) -> Result<(), QuotaExceeded> {
        if self.bytes.load(Ordering::Relaxed) <= self.max_bytes {
            return Ok(());
        }
        let limit = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
        Err(QuotaExceeded::new(limit, "database"))
    }
}

/// Converts a failure. The message has no content of objects.
fn unavailable(failure: Failure) -> StoreError {
    match failure {
        Failure::Refused(error) => error,
        failure => {
            let message = failure.message();
            tracing::error!(target: "runstep_server::store", error = %message, "the database failed");
            StoreError::Unavailable(message)
        }
    }
}

/// Converts a number to a column. Versions and event numbers never exceed the range.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store for PostgresStore {
    fn object(
        &self,
        namespace: &Namespace,
        collection: Collection,
        id: &str,
    ) -> BoxFuture<'static, Result<Object>> {
        let (namespace, id) = (namespace.clone(), id.to_owned());
        let quota = self.0.quota.key(&namespace);
        self.0.read(|client| async move {
            read::object(&client, &namespace, &quota, &collection, &id).await
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
        let quota = self.0.quota.key(&namespace);
        self.0.read(|client| async move {
            read::page(&client, &namespace, &quota, &collection, run.as_deref(), &query).await
        })
    }

    fn context(&self, key: &RunKey, query: ContextQuery) -> BoxFuture<'static, Result<Context>> {
        let (key, quota) = (key.clone(), self.0.quota.key(&key.namespace));
        self.0.read(move |client| async move { read::context(&client, &key, &quota, query).await })
    }

    fn run(&self, key: &RunKey) -> BoxFuture<'static, Result<RunRecord>> {
        let (key, quota) = (key.clone(), self.0.quota.key(&key.namespace));
        self.0.read(|client| async move { read::run(&client, &key, &quota).await })
    }

    fn runs(
        &self,
        namespace: &Namespace,
        filter: RunFilter,
        query: PageQuery,
    ) -> BoxFuture<'static, Result<ObjectPage>> {
        let namespace = namespace.clone();
        let quota = self.0.quota.key(&namespace);
        self.0.read(|client| async move {
            all_runs::page(&client, &namespace, &quota, &filter, &query).await
        })
    }

    fn run_counts(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Vec<(String, u64)>>> {
        let namespace = namespace.clone();
        self.0.read(|client| async move { all_runs::counts(&client, &namespace).await })
    }

    fn events_after(
        &self,
        key: &RunKey,
        number: u64,
    ) -> BoxFuture<'static, Result<Vec<EventChunk>>> {
        let (key, quota) = (key.clone(), self.0.quota.key(&key.namespace));
        self.0.read(
            move |client| async move { read::events_after(&client, &key, &quota, number).await },
        )
    }

    fn commit(&self, transaction: Transaction) -> BoxFuture<'static, Result<Committed>> {
        let shared = Arc::clone(&self.0);
        async move {
            // Must not stop between two attempts.
            let task = tokio::spawn(shared.commit(transaction));
            let stopped = |_| Err(StoreError::UnknownOutcome("the server is shutting down".into()));
            task.await.unwrap_or_else(stopped)
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
        let namespace = namespace.clone();
        self.0.read(move |client| async move {
            read::recorded(&client, &namespace, &key, &fingerprint, now).await
        })
    }

    fn claim_runs(
        &self,
        claimant: Claimant,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        self.0.read(move |client| async move {
            claims::claim_runs(&client, &claimant, now, limit).await
        })
    }

    fn claimed_runs(&self, claimant: Claimant) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        self.0.read(move |client| async move { claims::claimed_runs(&client, &claimant).await })
    }

    fn renew_lease(
        &self,
        claimant: Claimant,
        now: i64,
        until: i64,
    ) -> BoxFuture<'static, Result<usize>> {
        let shared = Arc::clone(&self.0);
        self.0.read(move |client| async move {
            let status = claims::renew_lease(&client, &claimant, now, until).await?;
            shared.bytes.store(status.bytes, Ordering::Relaxed);
            shared.metrics.data_bytes.set(i64::try_from(status.bytes).unwrap_or(i64::MAX));
            shared.notifier.set_other_nodes(status.nodes > 1);
            Ok(status.nodes)
        })
    }

    fn expired_runs(&self, now: i64, limit: usize) -> BoxFuture<'static, Result<Vec<RunKey>>> {
        self.0.read(move |client| async move { claims::expired_runs(&client, now, limit).await })
    }

    fn next_expiry(&self) -> BoxFuture<'static, Result<Option<i64>>> {
        self.0.read(|client| async move { claims::next_expiry(&client).await })
    }

    fn waiting_runs(&self) -> BoxFuture<'static, Result<u64>> {
        self.0.read(|client| async move { claims::waiting_runs(&client).await })
    }

    fn remove_expired(
        &self,
        retention: Retention,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<usize>> {
        self.0.read(move |client| async move {
            claims::remove_expired(&client, retention, now, limit).await
        })
    }

    fn check_capacity(&self) -> Result<()> {
        Ok(self.0.check_capacity()?)
    }

    fn check_health(&self) -> Result<()> {
        match &*self.0.failure.lock() {
            Some(message) => Err(StoreError::Unavailable(Arc::clone(message))),
            None => Ok(()),
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn notifications(&self) -> BoxStream<'static, Notification> {
        self.0.notifier.receive()
    }

    fn publish_deltas(&self, key: &RunKey, deltas: EventChunk) {
        self.0.notifier.publish_deltas(key, &deltas);
    }
}

#[cfg(test)]
mod tests;
