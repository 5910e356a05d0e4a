//! Transactions. Each is a call of one function of the schema.

use axum::body::Bytes;
use bytes::BytesMut;
use deadpool_postgres::Object as Client;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::{Failure, number};
use crate::store::memory::MAX_TOMBSTONES;
use crate::store::object::{Collection, Kind};
use crate::store::transaction::{
    Change, Committed, MessageWrite, NewMessage, NewObject, NewRun, RunWrite, Transaction,
};
use crate::store::{IDEMPOTENCY_SECONDS, StoreError};

type Result<T> = std::result::Result<T, Failure>;
type Values<'a> = Vec<&'a (dyn ToSql + Sync)>;

/// The error of `record`: an equal request was executed at the same time.
const REPLAYED: &str = "RS001";

/// JSON to write as text, without a copy.
#[derive(Debug)]
struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::TEXT)
    }

    to_sql_checked!();
}

/// Messages to insert, by column.
#[derive(Default)]
struct Messages<'a> {
    ids: Vec<&'a str>,
    tokens: Vec<i64>,
    jsons: Vec<Text<'a>>,
    /// The versions that replaced messages must have.
    versions: Vec<Option<i64>>,
}

impl<'a> Messages<'a> {
    fn new(messages: &'a [NewMessage]) -> Self {
        let mut columns = Self::default();
        for message in messages {
            columns.push(&message.id, &message.json, message.tokens, None);
        }
        columns
    }

    fn written(writes: &'a [MessageWrite]) -> Self {
        let mut columns = Self::default();
        for write in writes {
            match write {
                MessageWrite::New(NewMessage { id, json, tokens }) => {
                    columns.push(id, json, *tokens, None);
                }
                MessageWrite::Replace { id, json, tokens, version } => {
                    columns.push(id, json, *tokens, Some(number(*version)));
                }
            }
        }
        columns
    }

    fn push(&mut self, id: &'a str, json: &'a Bytes, tokens: u64, version: Option<i64>) {
        self.ids.push(id);
        self.tokens.push(number(tokens));
        self.jsons.push(Text(json));
        self.versions.push(version);
    }
}

/// Commits a transaction.
pub(super) async fn commit(client: &Client, transaction: &Transaction) -> Result<Committed> {
    let Transaction { namespace, now, idempotency, change } = transaction;
    let request = idempotency.as_ref();
    let key = request.map(|request| request.key.as_str());
    let fingerprint = request.map(|request| &request.fingerprint[..]);
    let response = request.map(|request| &request.response[..]);
    let (namespace, oldest) = (namespace.as_str(), now.saturating_sub(IDEMPOTENCY_SECONDS));
    let common: [&(dyn ToSql + Sync); 6] =
        [&namespace, &key, &fingerprint, &now, &oldest, &response];
    match change {
        Change::CreateAssistant(NewObject { id, json, hidden }) => {
            let (hidden, json) = (Text(hidden), Text(json));
            let values: Values<'_> = vec![id, &hidden, &json];
            call(client, "create_assistant", &common, values, change).await
        }
        Change::CreateUpstreamObject(NewObject { id, json, hidden }) => {
            let (hidden, json) = (Text(hidden), Text(json));
            let values: Values<'_> = vec![id, &hidden, &json];
            call(client, "create_upstream_object", &common, values, change).await
        }
        Change::CreateThread(new) => {
            let messages = Messages::new(&new.messages);
            let json = Text(&new.thread.json);
            let values: Values<'_> =
                vec![&new.thread.id, &json, &messages.ids, &messages.tokens, &messages.jsons];
            call(client, "create_thread", &common, values, change).await
        }
        Change::CreateMessage { thread, message: NewMessage { id, json, tokens } } => {
            let (tokens, json) = (number(*tokens), Text(json));
            let values: Values<'_> = vec![thread, id, &tokens, &json];
            call(client, "create_message", &common, values, change).await
        }
        Change::Replace { collection, object: NewObject { id, json, hidden }, version } => {
            let (table, thread) = table(collection);
            let (version, hidden, json) = (number(*version), Text(hidden), Text(json));
            let values: Values<'_> = vec![&table, &thread, id, &version, &hidden, &json];
            call(client, "replace_object", &common, values, change).await
        }
        Change::Delete { collection: Collection::UpstreamObjects, id } => {
            call(client, "delete_upstream_object", &common, vec![id], change).await
        }
        Change::Delete { collection, id } => {
            let ((table, thread), tombstones) = (table(collection), MAX_TOMBSTONES as i64);
            let values: Values<'_> = vec![&table, &thread, id, &tombstones];
            call(client, "delete_object", &common, values, change).await
        }
        Change::CreateRun(new) => create_run(client, &common, new, change).await,
        Change::WriteRun(write) => write_run(client, &common, *now, write, change).await,
    }
}

async fn create_run(
    client: &Client,
    common: &[&(dyn ToSql + Sync)],
    new: &NewRun,
    change: &Change,
) -> Result<Committed> {
    let thread_json = new.new_thread.as_ref().map(|thread| Text(&thread.thread.json));
    let thread_messages = new.new_thread.as_ref().map(|thread| &thread.messages[..]);
    let thread_messages = Messages::new(thread_messages.unwrap_or_default());
    let messages = Messages::new(&new.messages);
    let NewObject { id, json, hidden } = &new.run;
    let (json, hidden, owner) = (Text(json), Text(hidden), new.owner.as_deref());
    let (phase, next_event) = (new.phase as i16, number(new.next_event));
    let (first, last) = (number(new.events.first), number(new.events.last));
    let events = &new.events.bytes[..];
    let values: Values<'_> = vec![
        &new.thread,
        &thread_json,
        &thread_messages.ids,
        &thread_messages.tokens,
        &thread_messages.jsons,
        &messages.ids,
        &messages.tokens,
        &messages.jsons,
        id,
        &phase,
        &new.expires_at,
        &owner,
        &next_event,
        &hidden,
        &json,
        &first,
        &last,
        &new.events.is_done,
        &events,
    ];
    call(client, "create_run", common, values, change).await
}

async fn write_run(
    client: &Client,
    common: &[&(dyn ToSql + Sync)],
    now: i64,
    write: &RunWrite,
    change: &Change,
) -> Result<Committed> {
    let update = write.update.as_ref();
    let phase = update.map(|update| update.phase as i16);
    let expires_at = update.map(|update| update.expires_at);
    let owner = update.and_then(|update| update.owner.as_deref());
    let hidden = update.map(|update| Text(&update.hidden));
    let json = update.map(|update| Text(&update.json));
    let step_ids: Vec<&str> = write.steps.iter().map(|step| step.id.as_str()).collect();
    let step_jsons: Vec<Text<'_>> = write.steps.iter().map(|step| Text(&step.json)).collect();
    let step_is_new: Vec<bool> = write.steps.iter().map(|step| step.is_new).collect();
    let messages = Messages::written(&write.messages);
    let events = write.events.as_ref();
    let first = events.map(|events| number(events.first));
    let last = events.map(|events| number(events.last));
    let is_done = events.map(|events| events.is_done);
    let bytes = events.map(|events| &events.bytes[..]);
    let (version, next_event) = (number(write.version), number(write.next_event));
    let values: Values<'_> = vec![
        &now,
        &write.thread,
        &write.run,
        &version,
        &next_event,
        &phase,
        &expires_at,
        &owner,
        &hidden,
        &json,
        &step_ids,
        &step_jsons,
        &step_is_new,
        &messages.ids,
        &messages.tokens,
        &messages.jsons,
        &messages.versions,
        &first,
        &last,
        &is_done,
        &bytes,
    ];
    call(client, "write_run", common, values, change).await
}

/// Calls a function of the schema with the namespace, the request, and other values.
async fn call(
    client: &Client,
    function: &str,
    common: &[&(dyn ToSql + Sync)],
    values: Values<'_>,
    change: &Change,
) -> Result<Committed> {
    let first = common.len() + 1;
    let others: Vec<_> = (first..first + values.len()).map(|index| format!("${index}")).collect();
    let sql = format!(
        "SELECT kind, version, detail, response FROM {function}($1,
             CASE WHEN $2::text IS NOT NULL
                 THEN ROW($2, $3::bytea, $4::bigint, $5::bigint, $6::bytea)::request END,
             {})",
        others.join(", ")
    );
    let statement = client.prepare_cached(&sql).await?;
    let all: Values<'_> = common.iter().copied().chain(values).collect();
    let row = match client.query_one(&statement, &all).await {
        Ok(row) => row,
        Err(error) if error.code().is_some_and(|code| code.code() == REPLAYED) => {
            return Err(StoreError::Replayed.into());
        }
        Err(error) => return Err(error.into()),
    };
    let detail: Option<String> = row.try_get(2)?;
    match row.try_get::<_, &str>(0)? {
        "done" => Ok(Committed {
            version: row.try_get::<_, i64>(1)?.unsigned_abs(),
            active_run: detail,
            replayed: None,
        }),
        "replayed" => {
            let response: Vec<u8> = row.try_get(3)?;
            Ok(Committed { replayed: Some(response.into()), ..Committed::default() })
        }
        "active_run" => Err(StoreError::ActiveRun { run_id: detail.unwrap_or_default() }.into()),
        "stale" => Err(StoreError::Stale.into()),
        "key_reused" => Err(StoreError::KeyReused.into()),
        "missing_thread" => Err(StoreError::missing(Kind::Thread, thread(change)).into()),
        _ => {
            let (kind, id) = target(change);
            Err(StoreError::missing(kind, id).into())
        }
    }
}

/// Returns the table of a collection, and the thread of its rows.
fn table(collection: &Collection) -> (&'static str, Option<&str>) {
    match collection {
        Collection::Assistants => ("assistants", None),
        Collection::Threads => ("threads", None),
        Collection::Messages { thread } => ("messages", Some(thread)),
        Collection::Runs { thread } => ("runs", Some(thread)),
        Collection::Steps { thread, .. } => ("steps", Some(thread)),
        Collection::UpstreamObjects => ("upstream_objects", None),
    }
}

/// Returns the thread that a change is about.
fn thread(change: &Change) -> &str {
    match change {
        Change::CreateMessage { thread, .. } => thread,
        Change::CreateRun(new) => &new.thread,
        Change::WriteRun(write) => &write.thread,
        Change::Replace { collection, object: NewObject { id, .. }, .. }
        | Change::Delete { collection, id } => table(collection).1.unwrap_or(id),
        Change::CreateAssistant(_) | Change::CreateUpstreamObject(_) | Change::CreateThread(_) => {
            ""
        }
    }
}

/// Returns the object that a change is about.
pub(super) fn target(change: &Change) -> (Kind, &str) {
    match change {
        Change::CreateAssistant(new) => (Kind::Assistant, &new.id),
        Change::CreateUpstreamObject(new) => (Kind::UpstreamObject, &new.id),
        Change::CreateThread(new) => (Kind::Thread, &new.thread.id),
        Change::CreateMessage { message, .. } => (Kind::Message, &message.id),
        Change::Replace { collection, object: NewObject { id, .. }, .. }
        | Change::Delete { collection, id } => (collection.kind(), id),
        Change::CreateRun(new) => (Kind::Run, &new.run.id),
        Change::WriteRun(write) => (Kind::Run, &write.run),
    }
}
