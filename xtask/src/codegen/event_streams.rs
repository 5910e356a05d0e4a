//! Finds operations that respond with JSON or, if the request says so, with a stream of events.
//! Progenitor supports one of the two; the stage `rewrite` adds a method for the other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Generated;
use super::document::{Document, kind, method_name, resolve_schema, rust_name};
use super::error::Error;
use super::lower::JSON;

/// The media type of an event stream.
pub const EVENTS: &str = "text/event-stream";

/// Returns the IDs of the operations that may respond with either.
pub fn streaming_operations(document: &Document) -> BTreeSet<String> {
    let operations = document.operations().map(|(_, _, operation)| operation);
    operations
        .filter(|operation| has_both(document, operation))
        .filter_map(|operation| operation.get("operationId")?.as_str())
        .map(str::to_owned)
        .collect()
}

fn has_both(document: &Document, operation: &Value) -> bool {
    let responses = operation.get("responses").and_then(Value::as_object);
    let successes = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    successes.map(|(_, response)| document.resolved(response)).any(|response| {
        let content = response.get("content");
        content.is_some_and(|content| content.get(JSON).is_some() && content.get(EVENTS).is_some())
    })
}

/// The property of a request body that asks for a stream.
const STREAM: &str = "stream";

/// Returns the IDs of the operations that the user of the generator says respond with events.
///
/// # Errors
///
/// Returns an error if there is no such operation, or no such union of events.
pub fn selected(
    generated: &Generated,
    streams: &BTreeMap<String, String>,
) -> Result<Vec<String>, Error> {
    let ids = || generated.document.operations().filter_map(|(.., operation)| id(operation));
    let find = |(operation, events): (&String, &String)| {
        let found = ids().find(|id| id == operation || method_name(id) == *operation);
        let Some(found) = found else {
            let reason = format!("there is no operation `{operation}` to stream");
            let help = format!("select one of: {}", join(ids().map(method_name)));
            return Err(Error::at("/paths", reason, help));
        };
        if !generated.unions.events.iter().any(|union| union.name == rust_name(events)) {
            let reason = format!("`{events}` is not a union of events");
            let names = generated.unions.events.iter().map(|union| union.name.clone());
            let help = format!("select one of: {}", join(names));
            return Err(Error::at("/components/schemas", reason, help));
        }
        Ok(found.to_owned())
    };
    streams.iter().map(find).collect()
}

fn join(names: impl Iterator<Item = String>) -> String {
    match names.collect::<Vec<_>>() {
        names if names.is_empty() => "(the document has none)".to_owned(),
        names => names.join(", "),
    }
}

fn id(operation: &Value) -> Option<&str> {
    operation.get("operationId")?.as_str()
}

/// Returns a note for each operation whose request can ask for a stream, and whose responses are only
/// JSON.
pub(super) fn notes(generated: &Generated) -> Vec<String> {
    let Generated { document, unions, event_streams, .. } = generated;
    // Many documents describe the events, but no response that has them.
    let Some(events) = unions.events.iter().max_by_key(|union| union.events.len()) else {
        return Vec::new();
    };
    let operations =
        document.operations().filter(|(.., operation)| asks_for_stream(document, operation));
    let ids = operations.filter_map(|(.., operation)| id(operation));
    ids.filter(|id| !event_streams.contains(*id))
        .map(|id| {
            let (method, events) = (method_name(id), &events.name);
            format!(
                "`{method}` can stream, but its responses are only JSON: for a method \
                 `{method}_stream`, add `--stream {method}={events}`"
            )
        })
        .collect()
}

fn asks_for_stream(document: &Document, operation: &Value) -> bool {
    let body = operation.get("requestBody").map(|body| document.resolved(body));
    let schema = body.and_then(|body| body.get("content")?.get(JSON)?.get("schema"));
    let property =
        schema.and_then(|schema| resolve_schema(document, schema).get("properties")?.get(STREAM));
    property.is_some_and(|property| kind(resolve_schema(document, property)) == Some("boolean"))
}
