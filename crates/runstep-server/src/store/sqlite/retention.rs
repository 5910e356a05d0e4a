//! Removal of what is no longer retained.

use rusqlite::{Connection, params};

use super::tables::{Failure, number};
use crate::store::{IDEMPOTENCY_SECONDS, Retention};

/// How many free pages are returned to the file system at a time.
const VACUUM_PAGES: i64 = 1000;

/// Removes at most `limit` entries of each kind. Returns how many were removed.
pub(super) fn remove_expired(
    connection: &Connection,
    retention: Retention,
    now: i64,
    limit: usize,
) -> Result<usize, Failure> {
    let limit = number(limit as u64);
    let mut removed = connection
        .prepare_cached(
            "DELETE FROM requests WHERE (ns, key) IN (
                 SELECT ns, key FROM requests WHERE created_at <= ?1 LIMIT ?2)",
        )?
        .execute(params![now.saturating_sub(IDEMPOTENCY_SECONDS), limit])?;
    let ended_before = now.saturating_sub(retention.events);
    for (ns, run) in ended_runs(connection, EVENTS_ENDED_BEFORE, ended_before, limit)? {
        remove_events(connection, ns, run)?;
        let sql = "UPDATE runs SET has_events = 0 WHERE seq = ?1";
        connection.prepare_cached(sql)?.execute([run])?;
        removed += 1;
    }
    if let Some(retention) = retention.runs {
        let ended_before = now.saturating_sub(retention);
        for (ns, run) in ended_runs(connection, ENDED_BEFORE, ended_before, limit)? {
            remove_events(connection, ns, run)?;
            let sql = "DELETE FROM steps WHERE ns = ?1 AND run = ?2";
            connection.prepare_cached(sql)?.execute([ns, run])?;
            connection.prepare_cached("DELETE FROM runs WHERE seq = ?1")?.execute([run])?;
            removed += 1;
        }
    }
    let mut vacuum =
        connection.prepare_cached(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(removed)
}

const EVENTS_ENDED_BEFORE: &str = "SELECT ns, seq FROM runs
     WHERE ended_at IS NOT NULL AND has_events AND ended_at <= ?1 ORDER BY ended_at LIMIT ?2";
const ENDED_BEFORE: &str = "SELECT ns, seq FROM runs
     WHERE ended_at IS NOT NULL AND ended_at <= ?1 ORDER BY ended_at LIMIT ?2";

fn ended_runs(
    connection: &Connection,
    sql: &str,
    ended_before: i64,
    limit: i64,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut statement = connection.prepare_cached(sql)?;
    let runs = statement.query_map([ended_before, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    runs.collect()
}

fn remove_events(connection: &Connection, ns: i64, run: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM events WHERE ns = ?1 AND run = ?2";
    connection.prepare_cached(sql)?.execute([ns, run])
}
