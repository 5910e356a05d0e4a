//! The operations whose reply is JSON or, when the request says so, a stream of events. The
//! generator takes one of the two; the other one gets a method of its own afterwards.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{Document, is_method};
use super::lower::JSON;

/// The media type of a stream of events.
pub const EVENTS: &str = "text/event-stream";

/// The ids of the operations that can reply in both ways.
pub fn streaming_operations(document: &Document) -> BTreeSet<String> {
    let paths = document.0.get("paths").and_then(Value::as_object);
    paths
        .into_iter()
        .flat_map(|paths| paths.values())
        .filter_map(Value::as_object)
        .flatten()
        .filter(|(method, operation)| is_method(method) && replies_in_both(document, operation))
        .filter_map(|(_, operation)| operation.get("operationId")?.as_str())
        .map(str::to_owned)
        .collect()
}

fn replies_in_both(document: &Document, operation: &Value) -> bool {
    let responses = operation.get("responses").and_then(Value::as_object);
    let successes = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    successes.map(|(_, response)| response).any(|response| {
        let reference = response.get("$ref").and_then(Value::as_str);
        let response = reference.and_then(|it| document.resolve(it)).unwrap_or(response);
        let content = response.get("content");
        content.is_some_and(|content| content.get(JSON).is_some() && content.get(EVENTS).is_some())
    })
}
