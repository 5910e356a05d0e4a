//! Grouped commits: all transactions that wait are committed together, with one fsync.
//!
//! Of clients that write one transaction after the other, half would wait while the other half is
//! committed, so that each group would have only half of them. A group therefore waits for as many
//! transactions as there were at the end of the previous commit, but only for a part of the time that
//! the commit took. The transactions of a single client never wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::identity::FileIdentity;
use super::open::FileLock;
use super::tables::{Failure, Tables};
use super::unavailable;
use crate::metrics::StoreMetrics;
use crate::store::quota::QuotaExceeded;
use crate::store::{Result, StoreError};

/// The most transactions in a group. Bounds the time until the first of them is committed.
const MAX_GROUP: usize = 512;
/// A group waits for others at most for this part of the duration of the previous commit,
const WAIT_SHARE: u32 = 4;
/// and never longer than this.
const MAX_WAIT: Duration = Duration::from_millis(2);

/// The connection that writes, and the transactions that wait for it.
pub(super) struct Writer {
    queue: Mutex<Queue>,
    /// Notified when the queue has as many transactions as a group waits for.
    is_complete: Condvar,
    /// Only locked by the task that writes.
    database: Mutex<Database>,
    status: WriterStatus,
    max_bytes: u64,
    metrics: StoreMetrics,
    // Released when the last transaction has ended.
    _lock: FileLock,
}

/// What is known of the file without reading it.
#[derive(Default)]
struct WriterStatus {
    /// The size of the data, without free pages.
    bytes: AtomicU64,
    /// What the transactions of the current group add to it.
    growth: AtomicU64,
    /// Why the last commit failed.
    failure: Mutex<Option<Arc<str>>>,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Box<dyn Job>>,
    /// Whether a task is writing, which also takes the transactions that arrive meanwhile.
    is_writing: bool,
    /// How many transactions the next group waits for,
    expected: usize,
    /// and for how long.
    max_wait: Duration,
}

struct Database {
    connection: Connection,
    tables: Tables,
    identity: FileIdentity,
}

/// A transaction that waits.
trait Job: Send {
    /// Executes the transaction. May be called again after a rollback.
    fn execute(&mut self, connection: &Connection, tables: &mut Tables) -> rusqlite::Result<()>;

    /// Sends the result to the caller.
    fn complete(self: Box<Self>, committed: Result<()>);
}

struct WriteJob<T, F> {
    operation: F,
    result: Option<Result<T>>,
    sender: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for WriteJob<T, F>
where
    T: Send,
    F: FnMut(&Connection, &mut Tables) -> Result<T, Failure> + Send,
{
    fn execute(&mut self, connection: &Connection, tables: &mut Tables) -> rusqlite::Result<()> {
        self.result = Some(match (self.operation)(connection, tables) {
            Ok(value) => Ok(value),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Database(error)) => return Err(error),
        });
        Ok(())
    }

    fn complete(self: Box<Self>, committed: Result<()>) {
        let Self { operation, result, sender } = *self;
        // What it holds until the commit is released before the caller goes on.
        drop(operation);
        let never_executed = || Err(StoreError::Unavailable("not executed".into()));
        let result = committed.and_then(|()| result.unwrap_or_else(never_executed));
        // The caller may no longer wait.
        let _ = sender.send(result);
    }
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        lock: FileLock,
        identity: FileIdentity,
        max_bytes: u64,
        metrics: StoreMetrics,
    ) -> rusqlite::Result<Self> {
        let status = WriterStatus::default();
        let bytes = data_bytes(&connection)?;
        status.bytes.store(bytes, Ordering::Relaxed);
        metrics.data_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        let tables = Tables::new(&connection)?;
        let database = Mutex::new(Database { connection, tables, identity });
        Ok(Self {
            queue: Mutex::default(),
            is_complete: Condvar::new(),
            database,
            status,
            max_bytes,
            metrics,
            _lock: lock,
        })
    }

    /// Executes an operation in a transaction. An operation that is refused must not have written.
    pub(super) fn write<T: Send + 'static>(
        self: &Arc<Self>,
        operation: impl FnMut(&Connection, &mut Tables) -> Result<T, Failure> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let writer = Arc::clone(self);
        async move {
            let (sender, receiver) = oneshot::channel();
            if writer.enqueue(Box::new(WriteJob { operation, result: None, sender })) {
                let writer = Arc::clone(&writer);
                tokio::task::spawn_blocking(move || writer.drain());
            }
            let stopped = |_| Err(StoreError::Unavailable("the server is shutting down".into()));
            receiver.await.unwrap_or_else(stopped)
        }
        .boxed()
    }

    /// Returns an error if the data exceeds its limit.
    pub(super) fn check_capacity(&self) -> Result<(), QuotaExceeded> {
        let WriterStatus { bytes, growth, .. } = &self.status;
        let bytes = bytes.load(Ordering::Relaxed).saturating_add(growth.load(Ordering::Relaxed));
        if bytes <= self.max_bytes {
            return Ok(());
        }
        let limit = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
        Err(QuotaExceeded::new(limit, "data file"))
    }

    /// Counts what a transaction of the current group has added.
    pub(super) fn expect_growth(&self, bytes: usize) {
        self.status.growth.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns why the last commit failed.
    pub(super) fn failure(&self) -> Option<Arc<str>> {
        self.status.failure.lock().clone()
    }

    /// Records the result of a commit and how long it took.
    fn record(
        &self,
        started: Instant,
        group: usize,
        database: &Database,
        result: Result<&(), &rusqlite::Error>,
    ) {
        self.metrics.commit_duration.observe(started.elapsed().as_secs_f64());
        self.metrics.commit_transactions.observe(group as f64);
        self.status.growth.store(0, Ordering::Relaxed);
        *self.status.failure.lock() = result.err().map(|error| error.to_string().into());
        if let Ok(bytes) = data_bytes(&database.connection) {
            self.status.bytes.store(bytes, Ordering::Relaxed);
            self.metrics.data_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Adds a transaction. Returns whether a task has to be started that writes.
    fn enqueue(&self, job: Box<dyn Job>) -> bool {
        let mut queue = self.queue.lock();
        queue.jobs.push(job);
        if queue.jobs.len() == queue.expected {
            self.is_complete.notify_one();
        }
        !std::mem::replace(&mut queue.is_writing, true)
    }

    /// Returns the transactions of the next group, or `None` if none waits.
    fn next_group(&self) -> Option<Vec<Box<dyn Job>>> {
        let mut queue = self.queue.lock();
        if queue.jobs.is_empty() {
            queue.is_writing = false;
            return None;
        }
        let end = Instant::now() + queue.max_wait;
        while queue.jobs.len() < queue.expected {
            if self.is_complete.wait_until(&mut queue, end).timed_out() {
                break;
            }
        }
        let size = queue.jobs.len().min(MAX_GROUP);
        Some(queue.jobs.drain(..size).collect())
    }

    /// Determines what the next group waits for. Call it before the results of this group are sent,
    /// so that the transactions that wait are those of other clients.
    pub(super) fn expect_next_group(&self, group: usize, duration: Duration) {
        let mut queue = self.queue.lock();
        queue.expected = (group + queue.jobs.len()).min(MAX_GROUP);
        queue.max_wait = (duration / WAIT_SHARE).min(MAX_WAIT);
    }

    /// Commits groups until no transaction waits.
    fn drain(&self) {
        let mut database = self.database.lock();
        while let Some(mut group) = self.next_group() {
            let started = Instant::now();
            let mut committed = database.commit(&mut group);
            self.record(started, group.len(), &database, committed.as_ref());
            self.expect_next_group(group.len(), started.elapsed());
            if committed.is_err() && group.len() > 1 {
                // One transaction must not make the others fail.
                for mut job in group.drain(..) {
                    let mut alone = [job];
                    let committed = database.commit(&mut alone);
                    [job] = alone;
                    job.complete(committed.map_err(|error| unavailable(&error)));
                }
                committed = Ok(());
            }
            let committed = committed.map_err(|error| unavailable(&error));
            group.into_iter().for_each(|job| job.complete(committed.clone()));
        }
    }
}

impl Database {
    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        self.identity.check()?;
        let result = self.connection.execute_batch("BEGIN IMMEDIATE").and_then(|()| {
            for job in group {
                job.execute(&self.connection, &mut self.tables)?;
            }
            self.connection.execute_batch("COMMIT")
        });
        if result.is_err() {
            // Fails if SQLite has rolled back on its own.
            let _ = self.connection.execute_batch("ROLLBACK");
            self.tables.forget();
        }
        result
    }
}

/// Returns the size of the data in bytes, without free pages.
fn data_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let read = |sql| {
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_row([], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    };
    let pages = read("PRAGMA page_count")?.saturating_sub(read("PRAGMA freelist_count")?);
    Ok(pages.saturating_mul(read("PRAGMA page_size")?))
}
