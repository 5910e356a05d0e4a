//! Lists of the runs of all threads.

use std::sync::Arc;

use rusqlite::{Connection, ToSql, params};

use super::read::{Result, TextReader, namespace_key, short, thread_seq, without_hidden};
use super::tables::{Failure, number, optional};
use crate::store::StoreError;
use crate::store::object::{Namespace, Object};
use crate::store::page::{ObjectPage, PageQuery, PageRange, UnknownCursor};
use crate::store::quota::KeyQuota;
use crate::store::run_filter::RunFilter;

/// The rows of deleted threads are removed later.
const IS_READABLE: &str = "EXISTS (SELECT 1 FROM threads WHERE threads.seq = runs.thread)";

pub(super) fn page(
    connection: &Connection,
    namespace: &Namespace,
    quota: &Arc<KeyQuota>,
    filter: &RunFilter,
    query: &PageQuery,
) -> Result<ObjectPage> {
    let ns = namespace_key(connection, namespace)?;
    let thread = filter.thread.as_deref().map(|id| thread_seq(connection, ns, id)).transpose()?;
    let position = |id: &Option<String>, unknown| match id {
        Some(id) => {
            let sql = format!("SELECT seq FROM runs WHERE ns = ?1 AND id = ?2 AND {IS_READABLE}");
            let seq: Option<i64> = optional(connection, &sql, params![ns, id])?;
            let unknown = Failure::from(StoreError::UnknownCursor(unknown));
            seq.map(Some).ok_or(unknown)
        }
        None => Ok(None),
    };
    let after = position(&query.after, UnknownCursor::After)?;
    let before = position(&query.before, UnknownCursor::Before)?;
    let Some(range) = PageRange::new(query.newest_first, after, before) else {
        return Ok(ObjectPage { objects: Vec::new(), has_more: false });
    };
    let (low, high) = (range.low.unwrap_or(0), range.high.unwrap_or(i64::MAX));
    let limit = number(query.limit as u64).saturating_add(1);
    let sql = select(filter, range.descending);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut values: Vec<&dyn ToSql> = vec![&ns, &low, &high, &limit];
    values.extend(thread.iter().map(|thread| thread as &dyn ToSql));
    values.extend(filter.assistant.iter().map(|id| id as &dyn ToSql));
    values.extend(filter.statuses.iter().map(|status| status as &dyn ToSql));
    let mut rows = statement.query(&values[..])?;
    let reader = TextReader { connection, table: "runs", quota };
    let mut objects: Vec<Object> = Vec::new();
    while let Some(row) = rows.next()? {
        objects.push(reader.object(row)?);
    }
    Ok(range.page(objects, query.limit))
}

/// Returns the statement for a page. `?1` is the namespace, `?2` and `?3` are the bounds of `seq`,
/// and `?4` is the limit; the thread, the assistant and the statuses follow, if there are any. Each
/// status has a subquery of its own, which reads an index in the order of the page.
pub(super) fn select(filter: &RunFilter, descending: bool) -> String {
    const COLUMNS: &str = without_hidden!("version");
    let order = if descending { "DESC" } else { "ASC" };
    // The planner has no statistics of the columns.
    let index = match filter {
        RunFilter { thread: Some(_), .. } => "runs_list",
        RunFilter { statuses, .. } if !statuses.is_empty() => "runs_by_status",
        RunFilter { assistant: Some(_), .. } => "runs_by_assistant",
        _ => "runs_all",
    };
    let mut parameters = 5..;
    let mut equals = |column: &str| match parameters.next() {
        Some(parameter) => format!(" AND {column} = ?{parameter}"),
        None => String::new(),
    };
    let mut conditions = String::new();
    if filter.thread.is_some() {
        conditions += &equals("thread");
    }
    if filter.assistant.is_some() {
        conditions += &equals("assistant");
    }
    let subquery = |status: &str| {
        format!(
            "SELECT {COLUMNS} FROM runs INDEXED BY {index}
             WHERE ns = ?1{conditions}{status} AND seq > ?2 AND seq < ?3 AND {IS_READABLE}
             ORDER BY seq {order} LIMIT ?4"
        )
    };
    match filter.statuses.len() {
        0 => subquery(""),
        1 => subquery(&equals("status")),
        count => {
            let subqueries =
                (0..count).map(|_| format!("SELECT * FROM ({})", subquery(&equals("status"))));
            let union = subqueries.collect::<Vec<_>>().join(" UNION ALL ");
            format!("{union} ORDER BY seq {order} LIMIT ?4")
        }
    }
}

pub(super) fn counts(connection: &Connection, namespace: &Namespace) -> Result<Vec<(String, u64)>> {
    let ns = namespace_key(connection, namespace)?;
    let mut statement = connection.prepare_cached(COUNTS)?;
    let counts = statement
        .query_map([ns], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(counts)
}

/// Counts entries of the index, except for runs of deleted threads.
pub(super) const COUNTS: &str = "SELECT status, sum(runs) FROM (
         SELECT status, count(*) AS runs FROM runs WHERE ns = ?1 GROUP BY status
         UNION ALL
         SELECT status, -count(*) FROM runs
         WHERE ns = ?1 AND thread IN (SELECT seq FROM deleted_threads WHERE ns = ?1) GROUP BY status
     ) WHERE status IS NOT NULL GROUP BY status HAVING sum(runs) > 0";
