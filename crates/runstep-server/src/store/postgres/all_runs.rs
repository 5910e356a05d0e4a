//! Lists of the runs of all threads.

use std::sync::Arc;

use deadpool_postgres::Object as Client;
use tokio_postgres::types::ToSql;

use super::number;
use super::read::{Result, read_object};
use crate::store::StoreError;
use crate::store::object::{Kind, Namespace};
use crate::store::page::{ObjectPage, PageQuery, PageRange, UnknownCursor};
use crate::store::quota::KeyQuota;
use crate::store::run_filter::RunFilter;

/// The namespace, the thread of the filter, and the positions of the cursors.
const SCOPE: &str = "
    SELECT namespaces.key,
        (SELECT seq FROM threads WHERE ns = namespaces.key AND id = $2),
        (SELECT runs.seq FROM runs JOIN threads ON threads.seq = runs.thread
         WHERE runs.ns = namespaces.key AND runs.id = $3),
        (SELECT runs.seq FROM runs JOIN threads ON threads.seq = runs.thread
         WHERE runs.ns = namespaces.key AND runs.id = $4)
    FROM namespaces WHERE name = $1";

/// Counts entries of the index, except for runs of deleted threads.
const COUNTS: &str = "
    SELECT status, sum(runs)::bigint FROM (
        SELECT run_status(json) AS status, count(*) AS runs FROM runs
        JOIN namespaces ON namespaces.key = runs.ns WHERE namespaces.name = $1 GROUP BY 1
        UNION ALL
        SELECT run_status(json), -count(*) FROM runs
        JOIN namespaces ON namespaces.key = runs.ns
        JOIN deleted_threads ON deleted_threads.ns = runs.ns AND deleted_threads.seq = runs.thread
        WHERE namespaces.name = $1 GROUP BY 1
    ) AS counted WHERE status IS NOT NULL GROUP BY status HAVING sum(runs) > 0";

pub(super) async fn page(
    client: &Client,
    namespace: &Namespace,
    quota: &Arc<KeyQuota>,
    filter: &RunFilter,
    query: &PageQuery,
) -> Result<ObjectPage> {
    let statement = client.prepare_cached(SCOPE).await?;
    let values: [&(dyn ToSql + Sync); 4] =
        [&namespace.as_str(), &filter.thread, &query.after, &query.before];
    let row = client.query_opt(&statement, &values).await?;
    // Without a row the namespace has no objects yet.
    let (ns, thread, after, before): (i64, Option<i64>, Option<i64>, Option<i64>) = match row {
        Some(row) => (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?),
        None => (-1, None, None, None),
    };
    if let Some(id) = &filter.thread
        && thread.is_none()
    {
        return Err(StoreError::missing(Kind::Thread, id).into());
    }
    if query.after.is_some() && after.is_none() {
        return Err(StoreError::UnknownCursor(UnknownCursor::After).into());
    }
    if query.before.is_some() && before.is_none() {
        return Err(StoreError::UnknownCursor(UnknownCursor::Before).into());
    }
    let Some(range) = PageRange::new(query.newest_first, after, before) else {
        return Ok(ObjectPage { objects: Vec::new(), has_more: false });
    };
    let (low, high) = (range.low.unwrap_or(0), range.high.unwrap_or(i64::MAX));
    let limit = number(query.limit as u64).saturating_add(1);
    let statement = client.prepare_cached(&select(filter, range.descending)).await?;
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&ns, &low, &high, &limit];
    if let Some(thread) = &thread {
        values.push(thread);
    }
    values.extend(filter.assistant.iter().map(|id| id as &(dyn ToSql + Sync)));
    values.extend(filter.statuses.iter().map(|status| status as &(dyn ToSql + Sync)));
    let rows = client.query(&statement, &values).await?;
    let objects = rows.iter().map(|row| read_object(row, quota)).collect::<Result<Vec<_>>>()?;
    Ok(range.page(objects, query.limit))
}

/// Returns the statement for a page. `$1` is the namespace, `$2` and `$3` are the bounds of `seq`,
/// and `$4` is the limit; the thread, the assistant and the statuses follow, if there are any. Each
/// status has a subquery of its own, which reads an index in the order of the page.
fn select(filter: &RunFilter, descending: bool) -> String {
    let order = if descending { "DESC" } else { "ASC" };
    let mut parameters = 5..;
    let mut equals = |column: &str| match parameters.next() {
        Some(parameter) => format!(" AND {column} = ${parameter}"),
        None => String::new(),
    };
    let mut conditions = String::new();
    if filter.thread.is_some() {
        conditions += &equals("thread");
    }
    if filter.assistant.is_some() {
        conditions += &equals("run_assistant(json)");
    }
    let subquery = |status: &str| {
        format!(
            "(SELECT id, json, '' AS hidden, version, seq FROM runs
              WHERE ns = $1{conditions}{status} AND seq > $2 AND seq < $3
                  AND EXISTS (SELECT 1 FROM threads WHERE threads.seq = runs.thread)
              ORDER BY seq {order} LIMIT $4)"
        )
    };
    match filter.statuses.len() {
        0 => return subquery(""),
        1 => return subquery(&equals("run_status(json)")),
        _ => {}
    }
    let statuses = filter.statuses.iter();
    let subqueries: Vec<_> = statuses.map(|_| subquery(&equals("run_status(json)"))).collect();
    format!("{} ORDER BY seq {order} LIMIT $4", subqueries.join(" UNION ALL "))
}

pub(super) async fn counts(client: &Client, namespace: &Namespace) -> Result<Vec<(String, u64)>> {
    let statement = client.prepare_cached(COUNTS).await?;
    let rows = client.query(&statement, &[&namespace.as_str()]).await?;
    let count = |row: &tokio_postgres::Row| -> Result<(String, u64)> {
        Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.unsigned_abs()))
    };
    rows.iter().map(count).collect()
}
