//! Claims, leases, expiry and retention.

use deadpool_postgres::Object as Client;
use tokio_postgres::Row;

use super::{Failure, number};
use crate::store::object::{Namespace, RunKey};
use crate::store::transaction::Claimant;
use crate::store::{IDEMPOTENCY_SECONDS, Retention};

type Result<T> = std::result::Result<T, Failure>;

/// What a node learns when it renews its lease.
pub(super) struct Status {
    /// The size of the tables and indexes.
    pub(super) bytes: u64,
    /// The nodes with a valid lease, with this one.
    pub(super) nodes: usize,
}

pub(super) async fn claim_runs(
    client: &Client,
    claimant: &Claimant,
    now: i64,
    limit: usize,
) -> Result<Vec<RunKey>> {
    let statement = client.prepare_cached("SELECT * FROM claim_runs($1, $2, $3)").await?;
    let rows = client.query(&statement, &[&&*claimant.0, &now, &number(limit as u64)]).await?;
    rows.iter().map(read_key).collect()
}

pub(super) async fn claimed_runs(client: &Client, claimant: &Claimant) -> Result<Vec<RunKey>> {
    // The first condition is that of the index.
    let sql = "
        SELECT namespaces.name, threads.id, runs.id FROM runs
        JOIN threads ON threads.seq = runs.thread JOIN namespaces ON namespaces.key = runs.ns
        WHERE runs.phase IN (0, 1, 3) AND runs.phase <> 3 AND runs.owner = $1";
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[&&*claimant.0]).await?;
    rows.iter().map(read_key).collect()
}

pub(super) async fn renew_lease(
    client: &Client,
    claimant: &Claimant,
    now: i64,
    until: i64,
) -> Result<Status> {
    // Nodes whose lease ended a day ago do not come back.
    let sql = "
        WITH renewed AS (
            INSERT INTO nodes (id, lease_until) VALUES ($1, $2)
            ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
        ), removed AS (
            DELETE FROM nodes WHERE id <> $1 AND lease_until < $3::bigint - 86400
        )
        SELECT
            (SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'),
            1 + (SELECT count(*) FROM nodes WHERE id <> $1 AND lease_until > $3)";
    let statement = client.prepare_cached(sql).await?;
    let row = client.query_one(&statement, &[&&*claimant.0, &until, &now]).await?;
    let bytes = row.try_get::<_, i64>(0)?.unsigned_abs();
    let nodes = usize::try_from(row.try_get::<_, i64>(1)?).unwrap_or(usize::MAX);
    Ok(Status { bytes, nodes })
}

pub(super) async fn expired_runs(client: &Client, now: i64, limit: usize) -> Result<Vec<RunKey>> {
    let sql = "
        SELECT namespaces.name, threads.id, runs.id FROM runs
        JOIN threads ON threads.seq = runs.thread JOIN namespaces ON namespaces.key = runs.ns
        WHERE runs.phase = 2 AND runs.expires_at <= $1 ORDER BY runs.expires_at LIMIT $2";
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[&now, &number(limit as u64)]).await?;
    rows.iter().map(read_key).collect()
}

pub(super) async fn next_expiry(client: &Client) -> Result<Option<i64>> {
    let sql = "SELECT expires_at FROM runs WHERE phase = 2 ORDER BY expires_at LIMIT 1";
    let statement = client.prepare_cached(sql).await?;
    let row = client.query_opt(&statement, &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

pub(super) async fn waiting_runs(client: &Client) -> Result<u64> {
    let statement = client.prepare_cached("SELECT count(*) FROM runs WHERE phase = 2").await?;
    let count: i64 = client.query_one(&statement, &[]).await?.try_get(0)?;
    Ok(count.unsigned_abs())
}

pub(super) async fn remove_expired(
    client: &Client,
    retention: Retention,
    now: i64,
    limit: usize,
) -> Result<usize> {
    let statement = client.prepare_cached("SELECT remove_expired($1, $2, $3, $4)").await?;
    let requests_created = now.saturating_sub(IDEMPOTENCY_SECONDS);
    let events_ended = now.saturating_sub(retention.events);
    let runs_ended = retention.runs.map(|runs| now.saturating_sub(runs));
    let limit = number(limit as u64);
    let row = client
        .query_one(&statement, &[&requests_created, &events_ended, &runs_ended, &limit])
        .await?;
    Ok(usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default())
}

/// Reads a key from the columns namespace, thread, run.
fn read_key(row: &Row) -> Result<RunKey> {
    let namespace = Namespace::new(row.try_get::<_, String>(0)?);
    Ok(RunKey { namespace, thread: row.try_get(1)?, run: row.try_get(2)? })
}
