//! Claims of runs.

use rusqlite::{Connection, params};

use super::read::read_key;
use super::tables::{Result, execute, number};
use crate::store::object::RunKey;
use crate::store::transaction::Claimant;

/// Selects runs that nobody executes, with the namespaces in turn.
const FREE_RUNS: &str = "SELECT name, thread_id, run_id, seq FROM (
         SELECT namespaces.name AS name, threads.id AS thread_id, runs.id AS run_id,
             runs.seq AS seq, row_number() OVER (PARTITION BY runs.ns ORDER BY runs.seq) AS turn
         FROM runs INDEXED BY runs_active
         JOIN threads ON threads.seq = runs.thread
         JOIN namespaces ON namespaces.key = runs.ns
         WHERE runs.phase < 4 AND runs.phase <> 2 AND (runs.owner IS NULL
             OR runs.owner <> ?3 AND NOT EXISTS (
                 SELECT 1 FROM nodes WHERE id = runs.owner AND lease_until > ?1))
     ) ORDER BY turn, seq LIMIT ?2";

/// Claims at most `limit` runs. Returns them in the order in which they are to be executed.
pub(super) fn claim_runs(
    connection: &Connection,
    claimant: &Claimant,
    now: i64,
    limit: usize,
) -> Result<Vec<RunKey>> {
    let mut statement = connection.prepare_cached(FREE_RUNS)?;
    let values = params![now, number(limit as u64), claimant.0];
    let rows = statement.query_map(values, |row| Ok((read_key(row)?, row.get::<_, i64>(3)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    for (_, seq) in &rows {
        let sql = "UPDATE runs SET owner = ?2, version = version + 1 WHERE seq = ?1";
        execute(connection, sql, params![seq, claimant.0])?;
    }
    Ok(rows.into_iter().map(|(key, _)| key).collect())
}

/// Returns the runs that a node has claimed and that are queued or in progress.
pub(super) fn claimed_runs(connection: &Connection, claimant: &Claimant) -> Result<Vec<RunKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT namespaces.name, threads.id, runs.id FROM runs INDEXED BY runs_active
         JOIN threads ON threads.seq = runs.thread JOIN namespaces ON namespaces.key = runs.ns
         WHERE runs.phase < 4 AND runs.phase IN (0, 1) AND runs.owner = ?1",
    )?;
    let keys = statement.query_map([&claimant.0], read_key)?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}
