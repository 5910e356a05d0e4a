//! Transactions on the tables. Each checks everything before it writes anything.

use std::collections::HashMap;

use axum::body::Bytes;
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Params, ToSql, params};

use super::replace::{grows, replace};
use crate::store::object::{Kind, Namespace};
use crate::store::transaction::{Change, Committed, NewMessage, NewThread, Transaction};
use crate::store::{IDEMPOTENCY_SECONDS, StoreError};

/// The list of the tombstones of assistants. Those of messages have the `seq` of their thread.
pub(super) const ASSISTANTS_LIST: i64 = 0;
/// The list of the tombstones of threads.
pub(super) const THREADS_LIST: i64 = -1;

/// How many numbers are reserved at a time. A restart skips those that were not used.
const RESERVED_NUMBERS: i64 = 10_000;

/// The reason why a transaction fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is not possible. Nothing was written.
    Refused(StoreError),
    /// The database failed. The whole group has to be rolled back.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// JSON to write, without a copy.
pub(super) struct Json<'a>(pub(super) &'a [u8]);

impl ToSql for Json<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// What the writer remembers of the tables.
pub(super) struct Tables {
    /// A number that no row has yet, nor any later one.
    next: i64,
    /// The number from which on the next process counts.
    reserved: i64,
    namespaces: HashMap<Namespace, i64>,
}

impl Tables {
    pub(super) fn new(connection: &Connection) -> rusqlite::Result<Self> {
        let next = connection.query_row("SELECT next FROM sequence", [], |row| row.get(0))?;
        Ok(Self { next, reserved: 0, namespaces: HashMap::new() })
    }

    /// Forgets what may have been rolled back.
    pub(super) fn forget(&mut self) {
        self.namespaces.clear();
        self.reserved = 0;
    }

    pub(super) fn commit(
        &mut self,
        connection: &Connection,
        transaction: &Transaction,
        check_capacity: impl Fn() -> Result<(), StoreError>,
    ) -> Result<Committed> {
        let ns = self.namespace(connection, &transaction.namespace)?;
        if let Some(request) = &transaction.idempotency
            && let Some(replayed) =
                replay(connection, ns, &request.key, &request.fingerprint, transaction.now)?
        {
            return Ok(Committed { replayed: Some(replayed), ..Committed::default() });
        }
        if transaction.change.is_creation() || grows(connection, ns, &transaction.change)? {
            check_capacity()?;
        }
        let committed = self.apply(connection, ns, transaction)?;
        if let Some(request) = &transaction.idempotency {
            execute(
                connection,
                "INSERT OR REPLACE INTO requests (ns, key, fingerprint, created_at, response)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    ns,
                    request.key,
                    &request.fingerprint[..],
                    transaction.now,
                    &request.response[..]
                ],
            )?;
        }
        if self.next > self.reserved {
            // Most transactions do not write this row, because it is ahead of what they use.
            self.reserved = self.next + RESERVED_NUMBERS;
            execute(connection, "UPDATE sequence SET next = ?1", [self.reserved])?;
        }
        Ok(committed)
    }

    fn apply(
        &mut self,
        connection: &Connection,
        ns: i64,
        transaction: &Transaction,
    ) -> Result<Committed> {
        let version = match &transaction.change {
            Change::CreateAssistant(new) => {
                execute(
                    connection,
                    "INSERT INTO assistants (seq, ns, id, version, hidden, json)
                     VALUES (?1, ?2, ?3, 0, ?4, ?5)",
                    params![self.seq(), ns, new.id, Json(&new.hidden), Json(&new.json)],
                )?;
                0
            }
            Change::CreateUpstreamObject(new) => {
                execute(
                    connection,
                    "INSERT OR IGNORE INTO upstream_objects (seq, ns, id, version, hidden, json)
                     VALUES (?1, ?2, ?3, 0, ?4, ?5)",
                    params![self.seq(), ns, new.id, Json(&new.hidden), Json(&new.json)],
                )?;
                0
            }
            Change::CreateThread(new) => {
                self.create_thread(connection, ns, new)?;
                0
            }
            Change::CreateMessage { thread, message } => {
                let thread = thread_seq(connection, ns, thread)?;
                check_idle(connection, ns, thread)?;
                self.insert_message(connection, ns, thread, None, message)?;
                0
            }
            Change::Replace { collection, object, version } => {
                replace(connection, ns, collection, object, *version)?
            }
            Change::Delete { collection, id } => {
                let active_run = self.delete(connection, ns, collection, id)?;
                return Ok(Committed { active_run, ..Committed::default() });
            }
            Change::CreateRun(new) => {
                self.create_run(connection, ns, new)?;
                0
            }
            Change::WriteRun(write) => self.write_run(connection, ns, transaction.now, write)?,
        };
        Ok(Committed { version, ..Committed::default() })
    }

    pub(super) fn create_thread(
        &mut self,
        connection: &Connection,
        ns: i64,
        new: &NewThread,
    ) -> Result<i64> {
        let seq = self.seq();
        execute(
            connection,
            "INSERT INTO threads (seq, ns, id, version, revision, json)
             VALUES (?1, ?2, ?3, 0, ?1, ?4)",
            params![seq, ns, new.thread.id, Json(&new.thread.json)],
        )?;
        for message in &new.messages {
            self.insert_message(connection, ns, seq, None, message)?;
        }
        Ok(seq)
    }

    pub(super) fn insert_message(
        &mut self,
        connection: &Connection,
        ns: i64,
        thread: i64,
        run: Option<&str>,
        new: &NewMessage,
    ) -> Result<()> {
        execute(
            connection,
            "INSERT INTO messages (seq, ns, thread, id, run, version, tokens, json)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7)",
            params![self.seq(), ns, thread, new.id, run, number(new.tokens), Json(&new.json)],
        )
    }

    pub(super) fn seq(&mut self) -> i64 {
        let seq = self.next;
        self.next += 1;
        seq
    }

    /// Returns the key of a namespace, which is created if it does not exist.
    fn namespace(&mut self, connection: &Connection, name: &Namespace) -> Result<i64> {
        if let Some(key) = self.namespaces.get(name) {
            return Ok(*key);
        }
        let sql = "SELECT key FROM namespaces WHERE name = ?1";
        let key = match optional(connection, sql, [name.as_str()])? {
            Some(key) => key,
            None => {
                let sql = "INSERT INTO namespaces (name) VALUES (?1)";
                execute(connection, sql, [name.as_str()])?;
                connection.last_insert_rowid()
            }
        };
        self.namespaces.insert(name.clone(), key);
        Ok(key)
    }
}

pub(super) const ACTIVE_RUN: &str =
    "SELECT id FROM runs WHERE ns = ?1 AND thread = ?2 AND phase < 4";

pub(super) fn replay(
    connection: &Connection,
    ns: i64,
    key: &str,
    fingerprint: &[u8; 32],
    now: i64,
) -> Result<Option<Bytes>> {
    let mut statement = connection.prepare_cached(
        "SELECT fingerprint, response FROM requests WHERE ns = ?1 AND key = ?2 AND created_at > ?3",
    )?;
    let oldest = now.saturating_sub(IDEMPOTENCY_SECONDS);
    let recorded = statement
        .query_row(params![ns, key, oldest], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    match recorded {
        Some((recorded, _)) if recorded != fingerprint => Err(StoreError::KeyReused.into()),
        Some((_, response)) => Ok(Some(response.into())),
        None => Ok(None),
    }
}

pub(super) fn thread_seq(connection: &Connection, ns: i64, id: &str) -> Result<i64> {
    let sql = "SELECT seq FROM threads WHERE ns = ?1 AND id = ?2";
    let seq = optional(connection, sql, params![ns, id])?;
    Ok(seq.ok_or_else(|| StoreError::missing(Kind::Thread, id))?)
}

/// Returns an error if a run of the thread is active.
pub(super) fn check_idle(connection: &Connection, ns: i64, thread: i64) -> Result<()> {
    match optional(connection, ACTIVE_RUN, [ns, thread])? {
        Some(run_id) => Err(StoreError::ActiveRun { run_id }.into()),
        None => Ok(()),
    }
}

/// Converts a number to a column. Versions and event numbers never exceed the range.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn execute(connection: &Connection, sql: &str, values: impl Params) -> Result<()> {
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Reads the first column of at most one row.
pub(super) fn optional<T: FromSql>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(values, |row| row.get(0)).optional()?)
}
