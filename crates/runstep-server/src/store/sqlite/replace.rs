//! Replacement of objects.

use rusqlite::{Connection, params};

use super::tables::{Failure, Json, Result, execute, number, optional, thread_seq};
use crate::store::StoreError;
use crate::store::object::Collection;
use crate::store::transaction::{Change, NewObject};

/// Returns whether a change replaces an object by a longer one.
pub(super) fn grows(connection: &Connection, ns: i64, change: &Change) -> Result<bool> {
    let Change::Replace { collection, object, .. } = change else { return Ok(false) };
    let length = match collection {
        Collection::Assistants => optional(
            connection,
            "SELECT octet_length(json) FROM assistants WHERE ns = ?1 AND id = ?2",
            params![ns, object.id],
        )?,
        Collection::Threads => optional(
            connection,
            "SELECT octet_length(json) FROM threads WHERE ns = ?1 AND id = ?2",
            params![ns, object.id],
        )?,
        Collection::Messages { thread } => optional(
            connection,
            "SELECT octet_length(json) FROM messages WHERE ns = ?1 AND thread = ?2 AND id = ?3",
            params![ns, thread_seq(connection, ns, thread)?, object.id],
        )?,
        Collection::Runs { thread } => optional(
            connection,
            "SELECT octet_length(json) FROM runs WHERE ns = ?1 AND thread = ?2 AND id = ?3",
            params![ns, thread_seq(connection, ns, thread)?, object.id],
        )?,
        Collection::Steps { .. } | Collection::UpstreamObjects => None,
    };
    Ok(length.is_some_and(|length: i64| object.json.len() as u64 > length.unsigned_abs()))
}

pub(super) fn replace(
    connection: &Connection,
    ns: i64,
    collection: &Collection,
    object: &NewObject,
    version: u64,
) -> Result<u64> {
    let NewObject { id, json, hidden } = object;
    let (json, hidden, expected) = (Json(json), Json(hidden), number(version));
    let missing = || Failure::from(StoreError::missing(collection.kind(), id));
    // The result is the version before the change.
    let stored: Option<i64> = match collection {
        Collection::Assistants => optional(
            connection,
            "SELECT version FROM assistants WHERE ns = ?1 AND id = ?2",
            params![ns, id],
        )?,
        Collection::Threads => optional(
            connection,
            "SELECT version FROM threads WHERE ns = ?1 AND id = ?2",
            params![ns, id],
        )?,
        Collection::Messages { thread } => optional(
            connection,
            "SELECT version FROM messages WHERE ns = ?1 AND thread = ?2 AND id = ?3",
            params![ns, thread_seq(connection, ns, thread)?, id],
        )?,
        Collection::Runs { thread } => optional(
            connection,
            "SELECT version FROM runs WHERE ns = ?1 AND thread = ?2 AND id = ?3",
            params![ns, thread_seq(connection, ns, thread)?, id],
        )?,
        Collection::Steps { .. } | Collection::UpstreamObjects => None,
    };
    if stored.ok_or_else(missing)? != expected {
        return Err(StoreError::Stale.into());
    }
    match collection {
        Collection::Assistants => execute(
            connection,
            "UPDATE assistants SET version = version + 1, hidden = ?3, json = ?4
             WHERE ns = ?1 AND id = ?2",
            params![ns, id, hidden, json],
        )?,
        Collection::Threads => execute(
            connection,
            "UPDATE threads SET version = version + 1, json = ?3 WHERE ns = ?1 AND id = ?2",
            params![ns, id, json],
        )?,
        Collection::Messages { thread } => execute(
            connection,
            "UPDATE messages SET version = version + 1, json = ?4
             WHERE ns = ?1 AND thread = ?2 AND id = ?3",
            params![ns, thread_seq(connection, ns, thread)?, id, json],
        )?,
        Collection::Runs { thread } => execute(
            connection,
            "UPDATE runs SET version = version + 1, hidden = ?4, json = ?5
             WHERE ns = ?1 AND thread = ?2 AND id = ?3",
            params![ns, thread_seq(connection, ns, thread)?, id, hidden, json],
        )?,
        Collection::Steps { .. } | Collection::UpstreamObjects => {}
    }
    Ok(version + 1)
}
