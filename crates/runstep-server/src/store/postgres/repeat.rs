//! Transactions whose outcome is not known: they are repeated, and recognize what an earlier attempt
//! has committed.

use std::sync::Arc;

use deadpool_postgres::Object as Client;
use tokio_postgres::error::SqlState;

use super::commit::{commit, target};
use super::{Failure, read};
use crate::store::StoreError;
use crate::store::object::{Collection, Namespace, RunKey};
use crate::store::quota::KeyQuota;
use crate::store::transaction::{Change, Committed, RunWrite, Transaction};

type Result<T> = std::result::Result<T, Failure>;

/// Commits a transaction, unless an earlier attempt was committed.
pub(super) async fn repeat(
    client: &Client,
    transaction: &Transaction,
    quota: &Arc<KeyQuota>,
) -> Result<Committed> {
    if let Some(committed) = find_committed(client, transaction, quota).await? {
        return Ok(committed);
    }
    let is_conflict = |failure: &Failure| match failure {
        Failure::Refused(_) => true,
        Failure::Database(error) => error.code() == Some(&SqlState::UNIQUE_VIOLATION),
        Failure::Unavailable(_) | Failure::Timeout => false,
    };
    match commit(client, transaction).await {
        // The earlier attempt may have been committed meanwhile.
        Err(failure) if is_conflict(&failure) => {
            find_committed(client, transaction, quota).await?.ok_or(failure)
        }
        result => result,
    }
}

/// Finds out whether an earlier attempt of a transaction was committed. Ids are random, so an object
/// with the id of a new one was created by this transaction.
async fn find_committed(
    client: &Client,
    transaction: &Transaction,
    quota: &Arc<KeyQuota>,
) -> Result<Option<Committed>> {
    let Transaction { namespace, change, .. } = transaction;
    let collection = match change {
        Change::CreateAssistant(_) => Collection::Assistants,
        Change::CreateUpstreamObject(_) => Collection::UpstreamObjects,
        Change::CreateThread(_) => Collection::Threads,
        Change::CreateMessage { thread, .. } => Collection::messages(thread),
        Change::CreateRun(new) => Collection::runs(&new.thread),
        Change::Replace { collection, .. } | Change::Delete { collection, .. } => {
            collection.clone()
        }
        Change::WriteRun(write) => return find_written(client, namespace, quota, write).await,
    };
    let id = target(change).1;
    let found = match read::object(client, namespace, quota, &collection, id).await {
        Ok(object) => Some(object),
        Err(Failure::Refused(StoreError::Missing { .. })) => None,
        Err(failure) => return Err(failure),
    };
    Ok(match (change, found) {
        (Change::Delete { .. }, None) => Some(Committed::default()),
        (Change::Replace { object, version, .. }, Some(stored)) => {
            let version = *version + 1;
            (stored.version == version && stored.json == object.json)
                .then(|| Committed { version, ..Committed::default() })
        }
        (Change::Delete { .. } | Change::Replace { .. }, _) | (_, None) => None,
        (_, Some(_)) => Some(Committed::default()),
    })
}

/// Finds out whether a write of a run was committed. The numbers of its events are used once.
async fn find_written(
    client: &Client,
    namespace: &Namespace,
    quota: &Arc<KeyQuota>,
    write: &RunWrite,
) -> Result<Option<Committed>> {
    let (thread, run) = (write.thread.clone(), write.run.clone());
    let key = RunKey { namespace: namespace.clone(), thread, run };
    let is_written = match (&write.events, &write.update) {
        (Some(events), _) => {
            let before = events.first.saturating_sub(1);
            read::events_after(client, &key, quota, before)
                .await
                .map(|stored| stored.first() == Some(events))
        }
        (None, Some(update)) => read::run(client, &key, quota).await.map(|stored| {
            stored.object.version == write.version + 1 && stored.object.json == update.json
        }),
        (None, None) => Ok(false),
    };
    match is_written {
        Ok(true) => Ok(Some(Committed { version: write.version + 1, ..Committed::default() })),
        Ok(false) | Err(Failure::Refused(StoreError::Missing { .. })) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Returns whether the database may succeed if the statement is repeated.
pub(super) fn is_transient(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => {
            let class = code.code().get(..2).unwrap_or_default();
            // Lost connections, conflicts of transactions, and a database that stops or starts.
            matches!(class, "08" | "40" | "57") || *code == SqlState::TOO_MANY_CONNECTIONS
        }
        None => true,
    }
}
