//! Grouped commits: all transactions that wait are committed together, with one fsync.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::open::FileLock;
use super::tables::{Failure, Tables};
use super::unavailable;
use crate::store::{Result, StoreError};

/// The most transactions in a group. Bounds the time until the first of them is committed.
const MAX_GROUP: usize = 512;

/// The connection that writes, and the transactions that wait for it.
pub(super) struct Writer {
    queue: Mutex<Queue>,
    /// Only locked by the task that writes.
    database: Mutex<Database>,
    // Released when the last transaction has ended.
    _lock: FileLock,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Box<dyn Job>>,
    /// Whether a task is writing, which also takes the transactions that arrive meanwhile.
    is_writing: bool,
}

struct Database {
    connection: Connection,
    tables: Tables,
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
        let Self { result, sender, .. } = *self;
        let never_executed = || Err(StoreError::Unavailable("not executed".into()));
        let result = committed.and_then(|()| result.unwrap_or_else(never_executed));
        // The caller may no longer wait.
        let _ = sender.send(result);
    }
}

impl Writer {
    pub(super) fn new(connection: Connection, lock: FileLock) -> rusqlite::Result<Self> {
        let tables = Tables::new(&connection)?;
        let database = Mutex::new(Database { connection, tables });
        Ok(Self { queue: Mutex::default(), database, _lock: lock })
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

    /// Adds a transaction. Returns whether a task has to be started that writes.
    fn enqueue(&self, job: Box<dyn Job>) -> bool {
        let mut queue = self.queue.lock();
        queue.jobs.push(job);
        !std::mem::replace(&mut queue.is_writing, true)
    }

    /// Commits groups until no transaction waits.
    fn drain(&self) {
        let mut database = self.database.lock();
        loop {
            let mut group = {
                let mut queue = self.queue.lock();
                let size = queue.jobs.len().min(MAX_GROUP);
                if size == 0 {
                    queue.is_writing = false;
                    return;
                }
                queue.jobs.drain(..size).collect::<Vec<_>>()
            };
            let mut committed = database.commit(&mut group);
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
