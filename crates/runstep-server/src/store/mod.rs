//! Where objects are kept. [`Store`] is what the engine needs of a database: reads of committed
//! state, and [`Transaction`]s that a store applies completely or not at all.
//!
//! | file | contents |
//! | --- | --- |
//! | `object.rs` | what is stored: objects as JSON text, runs, events |
//! | `transaction.rs` | changes, as values |
//! | `context.rs` | the messages that a prompt contains |
//! | `run_filter.rs` | lists of the runs of all threads |
//! | `notification.rs` | news between the nodes that share a store |
//! | `memory/` | [`MemoryStore`], which keeps everything in the process |
//! | `sqlite/` | [`SqliteStore`], which keeps everything in one file |
//! | `postgres/` | [`PostgresStore`], which several processes can share |
//! | `quota.rs` | the memory quota |

mod context;
mod memory;
mod notification;
mod object;
mod page;
#[cfg(feature = "postgres")]
mod postgres;
mod quota;
mod run_filter;
mod sqlite;
mod transaction;

use std::sync::Arc;

use axum::body::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub(crate) use context::{Context, ContextMark, ContextMessage, ContextQuery};
pub(crate) use memory::MemoryStore;
pub(crate) use notification::Notification;
pub(crate) use object::{
    Collection, EventChunk, Kind, Namespace, Object, Phase, RunKey, RunRecord,
};
pub(crate) use page::{ObjectPage, PageQuery, UnknownCursor};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresAddress, PostgresAddressError};
#[cfg(feature = "postgres")]
pub(crate) use postgres::{PostgresOptions, PostgresStore};
pub(crate) use quota::{KeyQuota, MemoryQuota, QuotaCharge, QuotaExceeded, json_length};
pub(crate) use run_filter::RunFilter;
pub use sqlite::{Durability, backup, check, export, import};
pub(crate) use sqlite::{SqliteOptions, SqliteStore};
pub(crate) use transaction::{
    Change, Claimant, Committed, Idempotency, MessageWrite, NewMessage, NewObject, NewRun,
    NewThread, RunUpdate, RunWrite, StepWrite, Transaction,
};

/// How long a request with an idempotency key can be repeated, in seconds.
const IDEMPOTENCY_SECONDS: i64 = 24 * 60 * 60;

/// A result of a store.
pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// How long a store retains what belongs to ended runs, in seconds after their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub(crate) events: i64,
    /// With their steps. Messages stay on the thread. `None` means for ever.
    pub(crate) runs: Option<i64>,
}

/// A shared store.
pub(crate) type SharedStore = Arc<dyn Store>;

/// A database of objects.
///
/// What a returned future reports as committed survives whatever the store promises to survive: a
/// crash of the process for a file, nothing for memory. Futures do not borrow the store. A
/// transaction whose future is dropped may still be committed.
///
/// # Failures
///
/// [`StoreError::Unavailable`] means that nothing was written, so the operation can be repeated.
/// [`StoreError::UnknownOutcome`] means that the store does not know whether a transaction was
/// committed, because the connection was lost during the commit. A store that can find out does so
/// before it returns. The engine then
///
/// - reads the run back, if the transaction was a write of an execution: such a write always has
///   events, and their numbers are used once, so the write was committed if they are stored. If it
///   was not, it is repeated; the version keeps it from being applied twice.
/// - returns a 503 to a client. A request with an idempotency key can be repeated: its response is
///   recorded in the same transaction.
///
/// # Nodes
///
/// Several processes, the nodes, can share a store ([`is_shared`](Self::is_shared)). All that they
/// need to know of each other is in the store: a run has an owner, whose lease is renewed; a
/// cancellation is the phase of the run, a deletion its absence; each write raises the version of
/// the run, so a node that lost its claim cannot write. Notifications only save time: an execution
/// finds a cancellation, a deletion or the loss of its claim when it writes, and in a poll if it
/// does not write.
pub(crate) trait Store: Send + Sync + 'static {
    /// Reads an object.
    fn object(
        &self,
        namespace: &Namespace,
        collection: Collection,
        id: &str,
    ) -> BoxFuture<'static, Result<Object>>;

    /// Reads a page of a collection. With `run`, only messages of that run.
    fn page(
        &self,
        namespace: &Namespace,
        collection: Collection,
        run: Option<String>,
        query: PageQuery,
    ) -> BoxFuture<'static, Result<ObjectPage>>;

    /// Reads the newest messages of a run's thread, except for those of the run itself, in one
    /// operation. Its cost depends on what it returns, not on the length of the thread.
    fn context(&self, key: &RunKey, query: ContextQuery) -> BoxFuture<'static, Result<Context>>;

    /// Reads a run and the state that its object does not have.
    fn run(&self, key: &RunKey) -> BoxFuture<'static, Result<RunRecord>>;

    /// Reads a page of the runs of all threads, in the order of their creation. Its cost depends on
    /// the number of runs that one criterion of the filter selects, not on the number of all runs.
    fn runs(
        &self,
        namespace: &Namespace,
        filter: RunFilter,
        query: PageQuery,
    ) -> BoxFuture<'static, Result<ObjectPage>>;

    /// Returns how many runs have each status. Statuses without runs are left out.
    fn run_counts(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Vec<(String, u64)>>>;

    /// Reads events of a run after the one with this number, in order: one or more chunks, or none
    /// if no later event is retained.
    fn events_after(
        &self,
        key: &RunKey,
        number: u64,
    ) -> BoxFuture<'static, Result<Vec<EventChunk>>>;

    /// Commits a transaction.
    fn commit(&self, transaction: Transaction) -> BoxFuture<'static, Result<Committed>>;

    /// Returns the response of an executed request with this idempotency key.
    fn recorded(
        &self,
        namespace: &Namespace,
        key: String,
        fingerprint: [u8; 32],
        now: i64,
    ) -> BoxFuture<'static, Result<Option<Bytes>>>;

    /// Claims executable runs (queued, in progress or cancelling) that neither this node nor another
    /// one with a valid lease has claimed, at most `limit` of them. The namespaces take turns, so
    /// that a namespace with many runs does not delay the others; within one, the oldest run is the
    /// first. A claim raises the version of the run, so the previous owner can no longer write.
    fn claim_runs(
        &self,
        claimant: Claimant,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<RunKey>>>;

    /// Returns the runs that a node has claimed and that are queued or in progress.
    fn claimed_runs(&self, claimant: Claimant) -> BoxFuture<'static, Result<Vec<RunKey>>>;

    /// Renews the lease of a node up to a time. All of its claims are valid until then. Returns how
    /// many nodes have a valid lease, with this one.
    fn renew_lease(
        &self,
        claimant: Claimant,
        now: i64,
        until: i64,
    ) -> BoxFuture<'static, Result<usize>>;

    /// Returns runs that wait for tool outputs and have expired, at most `limit` of them.
    fn expired_runs(&self, now: i64, limit: usize) -> BoxFuture<'static, Result<Vec<RunKey>>>;

    /// Returns when the next run that waits for tool outputs expires, in Unix seconds.
    fn next_expiry(&self) -> BoxFuture<'static, Result<Option<i64>>>;

    /// Returns the number of runs that wait for tool outputs.
    fn waiting_runs(&self) -> BoxFuture<'static, Result<u64>>;

    /// Removes what is older than it is retained, and what deleted threads have left, at most about
    /// `limit` entries of each kind. Returns how many entries were removed: if there are any, more
    /// may follow. What is left when the process ends is removed after the next start.
    fn remove_expired(
        &self,
        retention: Retention,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<usize>>;

    /// Returns an error if the store accepts no more objects.
    fn check_capacity(&self) -> Result<()>;

    /// Returns an error if the last transaction failed because of the database.
    fn check_health(&self) -> Result<()>;

    /// Updates the metrics of the store.
    fn refresh_metrics(&self) {}

    /// Returns whether other processes may use the same data at the same time. If so, the engine
    /// polls for what notifications may have missed.
    fn is_shared(&self) -> bool {
        false
    }

    /// Returns the notifications of other nodes, until the store is dropped. Ends at once if there
    /// are no other nodes.
    fn notifications(&self) -> BoxStream<'static, Notification> {
        Box::pin(futures_util::stream::empty())
    }

    /// Sends deltas that are not committed yet to the nodes on which readers follow the run. They
    /// may be lost: the commit that follows contains them. A store without other nodes does nothing.
    fn publish_deltas(&self, key: &RunKey, deltas: EventChunk) {
        let _ = (key, deltas);
    }
}

/// The reason why a store does not return or change something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// The object, or the thread or run that it belongs to, does not exist.
    #[error("no {} has the id '{id}'", .kind.name())]
    Missing { kind: Kind, id: String },
    /// The thread has a run that has not ended.
    #[error("the run '{run_id}' is active")]
    ActiveRun { run_id: String },
    /// The object has changed since it was read. Nothing was written.
    #[error("the object has changed")]
    Stale,
    #[error("the cursor is not in the list")]
    UnknownCursor(UnknownCursor),
    /// An equal request with the same idempotency key was executed at the same time.
    #[error("the request was executed already")]
    Replayed,
    /// Another request had the same idempotency key.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error(transparent)]
    QuotaExceeded(#[from] QuotaExceeded),
    /// The database cannot be read or written at the moment. Nothing was written.
    #[error("{0}")]
    Unavailable(Arc<str>),
    /// The transaction may or may not have been committed. See [`Store`].
    #[error("it is not known whether the change was saved: {0}")]
    UnknownOutcome(Arc<str>),
}

impl StoreError {
    fn missing(kind: Kind, id: impl Into<String>) -> Self {
        Self::Missing { kind, id: id.into() }
    }
}

#[cfg(test)]
mod conformance;
