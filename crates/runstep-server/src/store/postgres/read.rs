//! Reads.

use std::sync::Arc;

use axum::body::Bytes;
use deadpool_postgres::Object as Client;
use tokio_postgres::Row;

use super::{Failure, number};
use crate::store::context::{Context, ContextQuery, ContextReader};
use crate::store::object::{
    Collection, EventChunk, Kind, Namespace, Object, Phase, RunKey, RunRecord,
};
use crate::store::page::{ObjectPage, PageQuery, PageRange, UnknownCursor};
use crate::store::quota::KeyQuota;
use crate::store::{IDEMPOTENCY_SECONDS, StoreError};

pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// How a collection is selected. `$1` is the namespace, `$2` and `$3` the ids of the thread and the
/// run.
struct Scope<'a> {
    table: &'static str,
    /// The columns `id, json, hidden, version`.
    columns: &'static str,
    /// The column of the parent in the table.
    parent_column: &'static str,
    /// Selects `ns` and `parent`, the values of the columns of the rows, if the parent exists.
    parent: &'static str,
    /// The list of the tombstones.
    tombstones: &'static str,
    thread: &'a str,
    run: &'a str,
    /// What is missing if the parent does not exist.
    missing: Option<Kind>,
}

const NAMESPACE: &str = "
    SELECT key AS ns, NULL::bigint AS parent FROM namespaces
    WHERE name = $1 AND $2::text IS NOT NULL AND $3::text IS NOT NULL";
const THREAD: &str = "
    SELECT threads.ns, threads.seq AS parent FROM namespaces
    JOIN threads ON threads.ns = namespaces.key
    WHERE namespaces.name = $1 AND threads.id = $2 AND $3::text IS NOT NULL";
const RUN: &str = "
    SELECT runs.ns, runs.seq AS parent FROM namespaces
    JOIN threads ON threads.ns = namespaces.key
    JOIN runs ON runs.ns = threads.ns AND runs.thread = threads.seq
    WHERE namespaces.name = $1 AND threads.id = $2 AND runs.id = $3";

impl<'a> Scope<'a> {
    fn new(collection: &'a Collection) -> Self {
        let all = Self {
            table: "assistants",
            columns: "id, json, hidden, version",
            parent_column: "NULL",
            parent: NAMESPACE,
            tombstones: "0",
            thread: "",
            run: "",
            missing: None,
        };
        match collection {
            Collection::Assistants => all,
            Collection::UpstreamObjects => {
                Self { table: "upstream_objects", tombstones: "NULL", ..all }
            }
            Collection::Threads => {
                Self { table: "threads", columns: "id, json, '', version", tombstones: "-1", ..all }
            }
            Collection::Messages { thread } => Self {
                table: "messages",
                columns: "id, json, '', version",
                parent_column: "thread",
                parent: THREAD,
                tombstones: "scope.parent",
                thread,
                missing: Some(Kind::Thread),
                ..all
            },
            Collection::Runs { thread } => Self {
                table: "runs",
                parent_column: "thread",
                parent: THREAD,
                tombstones: "NULL",
                thread,
                missing: Some(Kind::Thread),
                ..all
            },
            Collection::Steps { thread, run } => Self {
                table: "steps",
                columns: "id, json, '', 0::bigint",
                parent_column: "run",
                parent: RUN,
                tombstones: "NULL",
                thread,
                run,
                missing: Some(Kind::Run),
            },
        }
    }

    /// Returns the condition on the parent.
    fn condition(&self, parent: &str) -> String {
        match self.parent_column {
            "NULL" => format!("({parent}) IS NULL"),
            column => format!("{column} = {parent}"),
        }
    }

    /// Returns the error for a parent that does not exist.
    async fn missing_parent(&self, client: &Client, namespace: &Namespace) -> Failure {
        if self.missing == Some(Kind::Run) {
            let sql = format!("SELECT 1 FROM ({THREAD}) AS scope");
            let thread = async {
                let statement = client.prepare_cached(&sql).await?;
                client.query_opt(&statement, &[&namespace.as_str(), &self.thread, &""]).await
            };
            return match thread.await {
                Ok(Some(_)) => StoreError::missing(Kind::Run, self.run).into(),
                Ok(None) => StoreError::missing(Kind::Thread, self.thread).into(),
                Err(error) => error.into(),
            };
        }
        StoreError::missing(Kind::Thread, self.thread).into()
    }
}

pub(super) async fn object(
    client: &Client,
    namespace: &Namespace,
    quota: &Arc<KeyQuota>,
    collection: &Collection,
    id: &str,
) -> Result<Object> {
    let scope = Scope::new(collection);
    let Scope { table, columns, parent, .. } = scope;
    let condition = scope.condition("scope.parent");
    let sql = format!(
        "SELECT found.* FROM ({parent}) AS scope LEFT JOIN LATERAL (
             SELECT {columns} FROM {table} WHERE ns = scope.ns AND {condition} AND id = $4
         ) AS found (id, json, hidden, version) ON true"
    );
    let statement = client.prepare_cached(&sql).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&namespace.as_str(), &scope.thread, &scope.run, &id];
    match client.query_opt(&statement, &values).await? {
        Some(row) if row.try_get::<_, Option<&str>>(0)?.is_some() => read_object(&row, quota),
        None if scope.missing.is_some() => Err(scope.missing_parent(client, namespace).await),
        _ => Err(StoreError::missing(collection.kind(), id).into()),
    }
}

pub(super) async fn page(
    client: &Client,
    namespace: &Namespace,
    quota: &Arc<KeyQuota>,
    collection: &Collection,
    run: Option<&str>,
    query: &PageQuery,
) -> Result<ObjectPage> {
    let empty = || ObjectPage { objects: Vec::new(), has_more: false };
    let scope = Scope::new(collection);
    let Scope { table, columns, parent, tombstones, .. } = scope;
    let condition = scope.condition("scope.parent");
    let position = |parameter: &str| {
        format!(
            "coalesce(
                 (SELECT seq FROM {table}
                  WHERE ns = scope.ns AND {condition} AND id = {parameter}),
                 (SELECT seq FROM tombstones
                  WHERE ns = scope.ns AND list = {tombstones} AND id = {parameter}))"
        )
    };
    let sql = format!(
        "SELECT scope.ns, scope.parent, {}, {} FROM ({parent}) AS scope",
        position("$4"),
        position("$5")
    );
    let statement = client.prepare_cached(&sql).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&namespace.as_str(), &scope.thread, &scope.run, &query.after, &query.before];
    let Some(row) = client.query_opt(&statement, &values).await? else {
        if scope.missing.is_some() {
            return Err(scope.missing_parent(client, namespace).await);
        }
        // The namespace has no objects yet.
        let cursor = query.after.as_ref().map(|_| UnknownCursor::After);
        return match cursor.or(query.before.as_ref().map(|_| UnknownCursor::Before)) {
            Some(cursor) => Err(StoreError::UnknownCursor(cursor).into()),
            None => Ok(empty()),
        };
    };
    let (ns, parent): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let (after, before): (Option<i64>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
    if query.after.is_some() && after.is_none() {
        return Err(StoreError::UnknownCursor(UnknownCursor::After).into());
    }
    if query.before.is_some() && before.is_none() {
        return Err(StoreError::UnknownCursor(UnknownCursor::Before).into());
    }
    let Some(range) = PageRange::new(query.newest_first, after, before) else {
        return Ok(empty());
    };
    let condition = scope.condition("$2::bigint");
    let of_run = if run.is_some() { "AND run = $6" } else { "AND $6::text IS NULL" };
    let order = if range.descending { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {columns} FROM {table}
         WHERE ns = $1 AND {condition} {of_run} AND seq > $3 AND seq < $4
         ORDER BY seq {order} LIMIT $5"
    );
    let statement = client.prepare_cached(&sql).await?;
    let (low, high) = (range.low.unwrap_or(0), range.high.unwrap_or(i64::MAX));
    let limit = number(query.limit as u64).saturating_add(1);
    let rows = client.query(&statement, &[&ns, &parent, &low, &high, &limit, &run]).await?;
    let objects = rows.iter().map(|row| read_object(row, quota)).collect::<Result<Vec<_>>>()?;
    Ok(range.page(objects, query.limit))
}

pub(super) async fn context(
    client: &Client,
    key: &RunKey,
    quota: &Arc<KeyQuota>,
    query: ContextQuery,
) -> Result<Context> {
    let sql = "SELECT * FROM thread_context($1, $2, $3, $4, $5, $6, $7)";
    let statement = client.prepare_cached(sql).await?;
    let mark = query.after.map(|mark| (number(mark.position), number(mark.revision))).unzip();
    let limits = (number(query.max_tokens), number(query.max_messages as u64));
    let rows = client
        .query(
            &statement,
            &[
                &key.namespace.as_str(),
                &key.thread,
                &key.run,
                &mark.0,
                &mark.1,
                &limits.0,
                &limits.1,
            ],
        )
        .await?;
    // The first row has the revision of the thread.
    let Some((thread, rows)) = rows.split_first() else {
        return Err(StoreError::missing(Kind::Thread, &key.thread).into());
    };
    let revision = unsigned(thread, 0)?;
    let after = query.valid_mark(revision);
    let mut reader = ContextReader::new(query);
    for row in rows {
        if !reader.take(unsigned(row, 0)?, unsigned(row, 1)?, || text(row, 2, quota))? {
            break;
        }
    }
    Ok(reader.finish(after, revision))
}

pub(super) async fn run(client: &Client, key: &RunKey, quota: &Arc<KeyQuota>) -> Result<RunRecord> {
    let sql = "
        SELECT runs.id, runs.json, runs.hidden, runs.version, runs.phase, runs.owner,
            runs.next_event
        FROM namespaces JOIN threads ON threads.ns = namespaces.key
        LEFT JOIN runs ON runs.ns = threads.ns AND runs.thread = threads.seq AND runs.id = $3
        WHERE namespaces.name = $1 AND threads.id = $2";
    let statement = client.prepare_cached(sql).await?;
    let row =
        client.query_opt(&statement, &[&key.namespace.as_str(), &key.thread, &key.run]).await?;
    let row = row.ok_or_else(|| StoreError::missing(Kind::Thread, &key.thread))?;
    if row.try_get::<_, Option<&str>>(0)?.is_none() {
        return Err(StoreError::missing(Kind::Run, &key.run).into());
    }
    Ok(RunRecord {
        object: read_object(&row, quota)?,
        phase: Phase::from_number(row.try_get::<_, i16>(4)?.into()),
        owner: row.try_get::<_, Option<&str>>(5)?.map(Into::into),
        next_event: unsigned(&row, 6)?,
    })
}

pub(super) async fn events_after(
    client: &Client,
    key: &RunKey,
    quota: &Arc<KeyQuota>,
    after: u64,
) -> Result<Vec<EventChunk>> {
    let sql = format!(
        "SELECT first, last, is_done, bytes FROM ({RUN}) AS scope LEFT JOIN LATERAL (
             SELECT first, last, is_done, bytes FROM events
             WHERE ns = scope.ns AND run = scope.parent AND last > $4 ORDER BY last LIMIT 1
         ) AS chunk ON true"
    );
    let statement = client.prepare_cached(&sql).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&key.namespace.as_str(), &key.thread, &key.run, &number(after)];
    let Some(row) = client.query_opt(&statement, &values).await? else {
        let steps = Collection::steps(&key.thread, &key.run);
        return Err(Scope::new(&steps).missing_parent(client, &key.namespace).await);
    };
    if row.try_get::<_, Option<i64>>(0)?.is_none() {
        return Ok(Vec::new());
    }
    let bytes: Vec<u8> = row.try_get(3)?;
    let charge = quota.reserve(bytes.len()).map_err(StoreError::from)?;
    Ok(vec![EventChunk {
        first: unsigned(&row, 0)?,
        last: unsigned(&row, 1)?,
        is_done: row.try_get(2)?,
        bytes: charge.hold(bytes),
    }])
}

pub(super) async fn recorded(
    client: &Client,
    namespace: &Namespace,
    key: &str,
    fingerprint: &[u8; 32],
    now: i64,
) -> Result<Option<Bytes>> {
    let sql = "
        SELECT fingerprint, response FROM requests JOIN namespaces ON namespaces.key = requests.ns
        WHERE namespaces.name = $1 AND requests.key = $2 AND created_at > $3";
    let statement = client.prepare_cached(sql).await?;
    let oldest = now.saturating_sub(IDEMPOTENCY_SECONDS);
    let Some(row) = client.query_opt(&statement, &[&namespace.as_str(), &key, &oldest]).await?
    else {
        return Ok(None);
    };
    if row.try_get::<_, &[u8]>(0)? != fingerprint {
        return Err(StoreError::KeyReused.into());
    }
    Ok(Some(row.try_get::<_, Vec<u8>>(1)?.into()))
}

/// Reads the columns `id, json, hidden, version`.
pub(super) fn read_object(row: &Row, quota: &Arc<KeyQuota>) -> Result<Object> {
    Ok(Object {
        id: row.try_get(0)?,
        json: text(row, 1, quota)?,
        hidden: text(row, 2, quota)?,
        version: unsigned(row, 3)?,
    })
}

/// Reads a text, which is counted while it is in use.
fn text(row: &Row, column: usize, quota: &Arc<KeyQuota>) -> Result<Bytes> {
    let text: String = row.try_get(column)?;
    let charge = quota.reserve(text.len()).map_err(StoreError::from)?;
    Ok(charge.hold(text.into_bytes()))
}

fn unsigned(row: &Row, column: usize) -> Result<u64, tokio_postgres::Error> {
    Ok(row.try_get::<_, i64>(column)?.unsigned_abs())
}
