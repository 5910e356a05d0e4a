//! Deletion of objects: at once what can be read, and in batches what threads have left.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::tables::{
    ACTIVE_RUN, ASSISTANTS_LIST, Result, THREADS_LIST, Tables, check_idle, execute, number,
    optional, thread_seq,
};
use crate::store::StoreError;
use crate::store::memory::MAX_TOMBSTONES;
use crate::store::object::Collection;

impl Tables {
    /// Deletes an object. Returns the run that was active on a deleted thread.
    pub(super) fn delete(
        &mut self,
        connection: &Connection,
        ns: i64,
        collection: &Collection,
        id: &str,
    ) -> Result<Option<String>> {
        let missing = || StoreError::missing(collection.kind(), id);
        match collection {
            Collection::Assistants => {
                let sql = "SELECT seq FROM assistants WHERE ns = ?1 AND id = ?2";
                let seq = optional(connection, sql, params![ns, id])?.ok_or_else(missing)?;
                execute(connection, "DELETE FROM assistants WHERE seq = ?1", [seq])?;
                self.bury(connection, ns, ASSISTANTS_LIST, id, seq)?;
                Ok(None)
            }
            Collection::UpstreamObjects => {
                let sql = "SELECT seq FROM upstream_objects WHERE ns = ?1 AND id = ?2";
                let seq: Option<i64> = optional(connection, sql, params![ns, id])?;
                let seq = seq.ok_or_else(missing)?;
                execute(connection, "DELETE FROM upstream_objects WHERE seq = ?1", [seq])?;
                Ok(None)
            }
            Collection::Threads => {
                let thread = thread_seq(connection, ns, id)?;
                let active = optional(connection, ACTIVE_RUN, [ns, thread])?;
                // Without the row of the thread nothing on it can be read. `remove_deleted` removes
                // the rest, because a thread can have any number of rows.
                execute(connection, "DELETE FROM threads WHERE seq = ?1", [thread])?;
                let sql = "INSERT INTO deleted_threads (seq, ns) VALUES (?1, ?2)";
                execute(connection, sql, [thread, ns])?;
                let sql = "UPDATE runs SET phase = 4 WHERE ns = ?1 AND thread = ?2 AND phase < 4";
                execute(connection, sql, [ns, thread])?;
                self.bury(connection, ns, THREADS_LIST, id, thread)?;
                Ok(active)
            }
            Collection::Messages { thread } => {
                let thread = thread_seq(connection, ns, thread)?;
                let sql = "SELECT seq FROM messages WHERE ns = ?1 AND thread = ?2 AND id = ?3";
                let seq =
                    optional(connection, sql, params![ns, thread, id])?.ok_or_else(missing)?;
                check_idle(connection, ns, thread)?;
                execute(connection, "DELETE FROM messages WHERE seq = ?1", [seq])?;
                self.bury(connection, ns, thread, id, seq)?;
                let sql = "UPDATE threads SET revision = ?2 WHERE seq = ?1";
                execute(connection, sql, [thread, self.seq()])?;
                Ok(None)
            }
            Collection::Runs { .. } | Collection::Steps { .. } => Err(missing().into()),
        }
    }

    /// Remembers the position of a deleted object for a while, because a client that deletes the
    /// objects it lists continues after the last entry of a page.
    fn bury(
        &mut self,
        connection: &Connection,
        ns: i64,
        list: i64,
        id: &str,
        seq: i64,
    ) -> Result<()> {
        execute(
            connection,
            "INSERT OR REPLACE INTO tombstones (ns, list, id, seq, deleted) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![ns, list, id, seq, self.seq()],
        )?;
        execute(
            connection,
            "DELETE FROM tombstones WHERE ns = ?1 AND list = ?2 AND deleted <= (
                 SELECT deleted FROM tombstones WHERE ns = ?1 AND list = ?2
                 ORDER BY deleted DESC LIMIT 1 OFFSET ?3)",
            params![ns, list, MAX_TOMBSTONES as i64],
        )
    }
}

/// Removes about `limit` rows that deleted threads have left. Returns how many were removed.
pub(super) fn remove_deleted(connection: &Connection, limit: usize) -> Result<usize> {
    let mut removed = 0;
    while removed < limit {
        let mut statement =
            connection.prepare_cached("SELECT ns, seq FROM deleted_threads LIMIT 1")?;
        let thread = statement.query_row([], |row| Ok([row.get(0)?, row.get(1)?])).optional()?;
        let Some(thread) = thread else { break };
        let rows = remove_rows_of(connection, thread, limit - removed)?;
        removed += rows;
        if removed < limit {
            execute(connection, "DELETE FROM deleted_threads WHERE seq = ?2 AND ns = ?1", thread)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes up to `limit` rows of a thread.
fn remove_rows_of(connection: &Connection, thread: [i64; 2], limit: usize) -> Result<usize> {
    let mut removed = 0;
    let remove = |sql: &str, [ns, key]: [i64; 2], limit: usize| -> Result<usize> {
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.execute([ns, key, number(limit as u64)])?)
    };
    let [ns, seq] = thread;
    for sql in [
        "DELETE FROM messages WHERE seq IN (
             SELECT seq FROM messages WHERE ns = ?1 AND thread = ?2 LIMIT ?3)",
        "DELETE FROM tombstones WHERE (ns, list, id) IN (
             SELECT ns, list, id FROM tombstones WHERE ns = ?1 AND list = ?2 LIMIT ?3)",
    ] {
        removed += remove(sql, [ns, seq], limit - removed)?;
    }
    while removed < limit {
        let sql = "SELECT seq FROM runs WHERE ns = ?1 AND thread = ?2 LIMIT 1";
        let Some(run) = optional::<i64>(connection, sql, thread)? else { break };
        for sql in [
            "DELETE FROM events WHERE seq IN (
                 SELECT seq FROM events WHERE ns = ?1 AND run = ?2 LIMIT ?3)",
            "DELETE FROM steps WHERE seq IN (
                 SELECT seq FROM steps WHERE ns = ?1 AND run = ?2 LIMIT ?3)",
            // Only if none of the others is left.
            "DELETE FROM runs WHERE ns = ?1 AND seq = ?2 AND ?3 > 0",
        ] {
            removed += remove(sql, [ns, run], limit - removed)?;
        }
    }
    Ok(removed)
}
