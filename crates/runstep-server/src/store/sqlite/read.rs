//! Reads, on connections that do not wait for the writer.

use std::sync::Arc;

use axum::body::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::tables::{ASSISTANTS_LIST, Failure, THREADS_LIST, number, optional, replay};
use crate::store::StoreError;
use crate::store::context::{Context, ContextQuery, ContextReader};
use crate::store::object::{
    Collection, EventChunk, Kind, Namespace, Object, Phase, RunKey, RunRecord,
};
use crate::store::page::{ObjectPage, PageQuery, PageRange, UnknownCursor};
use crate::store::quota::KeyQuota;

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// A column without its long texts. They have at least 64 KiB, as in the quota.
macro_rules! short {
    ($column:literal) => {
        concat!("iif(octet_length(", $column, ") < 65536, ", $column, ", NULL)")
    };
}

/// The columns of an object in a table that has hidden state.
macro_rules! with_hidden {
    () => {
        concat!("id, ", short!("json"), ", ", short!("hidden"), ", version, seq")
    };
}

/// The columns of an object in a table that has none.
macro_rules! without_hidden {
    ($version:literal) => {
        concat!("id, ", short!("json"), ", '', ", $version, ", seq")
    };
}

pub(super) use {short, without_hidden};

/// The table of a collection, and the values of the columns that select its rows.
struct Scope {
    table: &'static str,
    /// The columns `id, json, hidden, version, seq`, without long texts.
    columns: &'static str,
    /// The condition on the parent, `?2`.
    condition: &'static str,
    parent: i64,
    /// The list of its tombstones.
    tombstones: Option<i64>,
}

pub(super) fn object(
    connection: &Connection,
    namespace: &Namespace,
    quota: &Arc<KeyQuota>,
    collection: &Collection,
    id: &str,
) -> Result<Object> {
    let ns = namespace_key(connection, namespace)?;
    let scope = scope(connection, ns, collection)?;
    let Scope { table, columns, condition, parent, .. } = scope;
    let sql = format!("SELECT {columns} FROM {table} WHERE ns = ?1 {condition} AND id = ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let reader = TextReader { connection, table, quota };
    let read = |row: &Row<'_>| Ok(reader.object(row));
    let object = statement.query_row(params![ns, parent, id], read).optional()?;
    object.ok_or_else(|| StoreError::missing(collection.kind(), id))?
}

pub(super) fn page(
    connection: &Connection,
    namespace: &Namespace,
    quota: &Arc<KeyQuota>,
    collection: &Collection,
    run: Option<&str>,
    query: &PageQuery,
) -> Result<ObjectPage> {
    let ns = namespace_key(connection, namespace)?;
    let scope = scope(connection, ns, collection)?;
    let position = |id: &Option<String>, unknown| match id {
        Some(id) => match position(connection, ns, &scope, id)? {
            Some(seq) => Ok(Some(seq)),
            None => Err(Failure::from(StoreError::UnknownCursor(unknown))),
        },
        None => Ok(None),
    };
    let after = position(&query.after, UnknownCursor::After)?;
    let before = position(&query.before, UnknownCursor::Before)?;
    let Some(range) = PageRange::new(query.newest_first, after, before) else {
        return Ok(ObjectPage { objects: Vec::new(), has_more: false });
    };
    let Scope { table, columns, condition, parent, .. } = scope;
    let of_run = if run.is_some() { "AND run = ?6" } else { "AND ?6 IS NULL" };
    let order = if range.descending { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {columns} FROM {table}
         WHERE ns = ?1 {condition} {of_run} AND seq > ?3 AND seq < ?4 ORDER BY seq {order} LIMIT ?5"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let (low, high) = (range.low.unwrap_or(0), range.high.unwrap_or(i64::MAX));
    let limit = number(query.limit as u64).saturating_add(1);
    let mut rows = statement.query(params![ns, parent, low, high, limit, run])?;
    let mut objects = Vec::new();
    let reader = TextReader { connection, table, quota };
    while let Some(row) = rows.next()? {
        objects.push(reader.object(row)?);
    }
    Ok(range.page(objects, query.limit))
}

pub(super) fn context(
    connection: &Connection,
    key: &RunKey,
    quota: &Arc<KeyQuota>,
    query: ContextQuery,
) -> Result<Context> {
    let ns = namespace_key(connection, &key.namespace)?;
    let mut statement =
        connection.prepare_cached("SELECT seq, revision FROM threads WHERE ns = ?1 AND id = ?2")?;
    let unsigned = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let thread = statement
        .query_row(params![ns, key.thread], |row| Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?)))
        .optional()?;
    let (thread, revision) =
        thread.ok_or_else(|| StoreError::missing(Kind::Thread, &key.thread))?;
    let after = query.valid_mark(revision);
    let mut statement = connection.prepare_cached(concat!(
        "SELECT seq, tokens, ",
        short!("json"),
        " FROM messages
         WHERE ns = ?1 AND thread = ?2 AND seq > ?3 AND (run IS NULL OR run <> ?4)
         ORDER BY seq DESC",
    ))?;
    let start = after.map_or(0, |mark| number(mark.position));
    let mut rows = statement.query(params![ns, thread, start, key.run])?;
    let mut reader = ContextReader::new(query);
    let texts = TextReader { connection, table: "messages", quota };
    while let Some(row) = rows.next()? {
        let json = || texts.text(row, 2, "json");
        if !reader.take(unsigned(row, 0)?, unsigned(row, 1)?, json)? {
            break;
        }
    }
    Ok(reader.finish(after, revision))
}

pub(super) fn run(
    connection: &Connection,
    key: &RunKey,
    quota: &Arc<KeyQuota>,
) -> Result<RunRecord> {
    let ns = namespace_key(connection, &key.namespace)?;
    let thread = thread_seq(connection, ns, &key.thread)?;
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        with_hidden!(),
        ", phase, owner, next_event FROM runs WHERE ns = ?1 AND thread = ?2 AND id = ?3",
    ))?;
    let reader = TextReader { connection, table: "runs", quota };
    let run = statement
        .query_row(params![ns, thread, key.run], |row| {
            let phase = Phase::from_number(row.get(5)?);
            let (owner, next_event) = (row.get(6)?, row.get::<_, i64>(7)?.unsigned_abs());
            let object = reader.object(row);
            Ok(object.map(|object| RunRecord { object, phase, owner, next_event }))
        })
        .optional()?;
    run.ok_or_else(|| StoreError::missing(Kind::Run, &key.run))?
}

pub(super) fn events_after(
    connection: &Connection,
    key: &RunKey,
    quota: &Arc<KeyQuota>,
    after: u64,
) -> Result<Vec<EventChunk>> {
    let ns = namespace_key(connection, &key.namespace)?;
    let thread = thread_seq(connection, ns, &key.thread)?;
    let sql = "SELECT seq FROM runs WHERE ns = ?1 AND thread = ?2 AND id = ?3";
    let run: Option<i64> = optional(connection, sql, params![ns, thread, key.run])?;
    let run = run.ok_or_else(|| StoreError::missing(Kind::Run, &key.run))?;
    let mut statement = connection.prepare_cached(concat!(
        "SELECT first, last, is_done, ",
        short!("bytes"),
        ", seq FROM events WHERE ns = ?1 AND run = ?2 AND last > ?3 ORDER BY last LIMIT 1",
    ))?;
    let reader = TextReader { connection, table: "events", quota };
    let mut rows = statement.query(params![ns, run, number(after)])?;
    let mut chunks = Vec::new();
    while let Some(row) = rows.next()? {
        chunks.push(EventChunk {
            first: row.get::<_, i64>(0)?.unsigned_abs(),
            last: row.get::<_, i64>(1)?.unsigned_abs(),
            is_done: row.get(2)?,
            bytes: reader.text(row, 3, "bytes")?,
        });
    }
    Ok(chunks)
}

pub(super) fn recorded(
    connection: &Connection,
    namespace: &Namespace,
    quota: &Arc<KeyQuota>,
    key: &str,
    fingerprint: &[u8; 32],
    now: i64,
) -> Result<Option<Bytes>> {
    let ns = namespace_key(connection, namespace)?;
    let Some(response) = replay(connection, ns, key, fingerprint, now)? else { return Ok(None) };
    let charge = quota.reserve(response.len()).map_err(StoreError::from)?;
    Ok(Some(charge.hold(response.into())))
}

pub(super) fn expired_runs(connection: &Connection, now: i64, limit: usize) -> Result<Vec<RunKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT namespaces.name, threads.id, runs.id FROM runs
         JOIN threads ON threads.seq = runs.thread JOIN namespaces ON namespaces.key = runs.ns
         WHERE runs.phase = 2 AND runs.expires_at <= ?1 ORDER BY runs.expires_at LIMIT ?2",
    )?;
    let keys = statement.query_map(params![now, number(limit as u64)], read_key)?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

/// Reads a key from the columns namespace, thread, run.
pub(super) fn read_key(row: &Row<'_>) -> rusqlite::Result<RunKey> {
    let namespace = Namespace::new(row.get::<_, String>(0)?);
    Ok(RunKey { namespace, thread: row.get(1)?, run: row.get(2)? })
}

/// Returns the key of a namespace, or a key that no namespace has.
pub(super) fn namespace_key(connection: &Connection, namespace: &Namespace) -> Result<i64> {
    let sql = "SELECT key FROM namespaces WHERE name = ?1";
    Ok(optional(connection, sql, [namespace.as_str()])?.unwrap_or(-1))
}

pub(super) fn thread_seq(connection: &Connection, ns: i64, id: &str) -> Result<i64> {
    let sql = "SELECT seq FROM threads WHERE ns = ?1 AND id = ?2";
    let seq = optional(connection, sql, params![ns, id])?;
    Ok(seq.ok_or_else(|| StoreError::missing(Kind::Thread, id))?)
}

fn scope(connection: &Connection, ns: i64, collection: &Collection) -> Result<Scope> {
    Ok(match collection {
        Collection::Assistants => Scope {
            table: "assistants",
            columns: with_hidden!(),
            condition: "AND ?2 = 0",
            parent: 0,
            tombstones: Some(ASSISTANTS_LIST),
        },
        Collection::UpstreamObjects => Scope {
            table: "upstream_objects",
            columns: with_hidden!(),
            condition: "AND ?2 = 0",
            parent: 0,
            tombstones: None,
        },
        Collection::Threads => Scope {
            table: "threads",
            columns: without_hidden!("version"),
            condition: "AND ?2 = 0",
            parent: 0,
            tombstones: Some(THREADS_LIST),
        },
        Collection::Messages { thread } => {
            let thread = thread_seq(connection, ns, thread)?;
            Scope {
                table: "messages",
                columns: without_hidden!("version"),
                condition: "AND thread = ?2",
                parent: thread,
                tombstones: Some(thread),
            }
        }
        Collection::Runs { thread } => Scope {
            table: "runs",
            columns: with_hidden!(),
            condition: "AND thread = ?2",
            parent: thread_seq(connection, ns, thread)?,
            tombstones: None,
        },
        Collection::Steps { thread, run } => {
            let thread = thread_seq(connection, ns, thread)?;
            let sql = "SELECT seq FROM runs WHERE ns = ?1 AND thread = ?2 AND id = ?3";
            let seq = optional(connection, sql, params![ns, thread, run])?;
            Scope {
                table: "steps",
                columns: without_hidden!("0"),
                condition: "AND run = ?2",
                parent: seq.ok_or_else(|| StoreError::missing(Kind::Run, run))?,
                tombstones: None,
            }
        }
    })
}

/// Returns the position of an object, which may have been deleted.
fn position(connection: &Connection, ns: i64, scope: &Scope, id: &str) -> Result<Option<i64>> {
    let Scope { table, condition, parent, .. } = scope;
    let sql = format!("SELECT seq FROM {table} WHERE ns = ?1 {condition} AND id = ?3");
    let position = optional(connection, &sql, params![ns, parent, id])?;
    match (position, scope.tombstones) {
        (None, Some(list)) => {
            let sql = "SELECT seq FROM tombstones WHERE ns = ?1 AND list = ?2 AND id = ?3";
            optional(connection, sql, params![ns, list, id])
        }
        (position, _) => Ok(position),
    }
}

/// Reads texts of a table, which are counted while they are in use.
pub(super) struct TextReader<'a> {
    pub(super) connection: &'a Connection,
    pub(super) table: &'static str,
    pub(super) quota: &'a Arc<KeyQuota>,
}

impl TextReader<'_> {
    /// Reads an object from the columns `id, json, hidden, version, seq`.
    pub(super) fn object(&self, row: &Row<'_>) -> Result<Object> {
        Ok(Object {
            id: row.get(0)?,
            json: self.text(row, 1, "json")?,
            hidden: self.text(row, 2, "hidden")?,
            version: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    }

    /// Reads a column that was selected with `short!`. A long text is read from the pages of the
    /// row, because SQLite would make another copy that the quota does not count.
    fn text(&self, row: &Row<'_>, index: usize, name: &'static str) -> Result<Bytes> {
        if let Some(text) = row.get_ref(index)?.as_bytes_or_null().map_err(rusqlite::Error::from)? {
            return Ok(Bytes::copy_from_slice(text));
        }
        let seq = row.get("seq")?;
        // The row is of the same moment: the statement that returned it is still active.
        let blob = self.connection.blob_open("main", self.table, name, seq, true)?;
        let charge = self.quota.reserve(blob.len()).map_err(StoreError::from)?;
        let mut text = vec![0; blob.len()];
        blob.read_at_exact(&mut text, 0)?;
        Ok(charge.hold(text))
    }
}
