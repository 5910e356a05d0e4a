//! Where objects are kept. [`Store`] is what the engine needs of a database: reads of committed
//! state, and [`Transaction`]s that a store applies completely or not at all.
//!
//! | file | contents |
//! | --- | --- |
//! | `object.rs` | what is stored: objects as JSON text, runs, events |
//! | `transaction.rs` | changes, as values |
//! | `memory/` | [`MemoryStore`], which keeps everything in the process |
//! | `sqlite/` | [`SqliteStore`], which keeps everything in one file |
//! | `quota.rs` | the memory quota |

mod memory;
mod object;
mod page;
mod quota;
mod sqlite;
mod transaction;

use std::sync::Arc;

use axum::body::Bytes;
use futures_util::future::BoxFuture;

pub(crate) use memory::MemoryStore;
pub(crate) use object::{
    Collection, EventChunk, Kind, Namespace, Object, Phase, RunKey, RunRecord,
};
pub(crate) use page::{ObjectPage, PageQuery, UnknownCursor};
pub(crate) use quota::{MemoryQuota, QuotaCharge, QuotaExceeded, json_length};
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

    /// Reads a run and the state that its object does not have.
    fn run(&self, key: &RunKey) -> BoxFuture<'static, Result<RunRecord>>;

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
    /// one with a valid lease has claimed, at most `limit` of them, the oldest first. A claim
    /// changes the version of the run, so the previous owner can no longer write.
    fn claim_runs(
        &self,
        claimant: Claimant,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<RunKey>>>;

    /// Renews the lease of a node up to a time. All of its claims are valid until then.
    fn renew_lease(&self, claimant: Claimant, until: i64) -> BoxFuture<'static, Result<()>>;

    /// Returns runs that wait for tool outputs and have expired, at most `limit` of them.
    fn expired_runs(&self, now: i64, limit: usize) -> BoxFuture<'static, Result<Vec<RunKey>>>;

    /// Returns when the next run that waits for tool outputs expires, in Unix seconds.
    fn next_expiry(&self) -> BoxFuture<'static, Result<Option<i64>>>;

    /// Returns the number of runs that wait for tool outputs.
    fn waiting_runs(&self) -> BoxFuture<'static, Result<u64>>;

    /// Removes what is older than it is retained, at most `limit` entries of each kind. Returns how
    /// many entries were removed.
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
}

impl StoreError {
    fn missing(kind: Kind, id: impl Into<String>) -> Self {
        Self::Missing { kind, id: id.into() }
    }
}

#[cfg(test)]
mod conformance;
