//! Finds operations that respond with JSON or, if the request says so, with a stream of events.
//! Progenitor supports one of the two; the stage `rewrite` adds a method for the other.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::Document;
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
