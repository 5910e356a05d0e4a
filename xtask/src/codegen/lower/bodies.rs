//! Lowers bodies: only their JSON form stays.

use serde_json::{Map, Value};

use crate::codegen::document::{Document, is_method};
use crate::codegen::error::Error;

/// Progenitor supports one success response with one media type. The facade reads event streams,
/// and error bodies, which may have any content from a proxy or a provider.
pub(super) fn other_bodies_are_dropped(mut document: Document) -> Result<Document, Error> {
    for kind in ["responses", "requestBodies"] {
        let shared =
            document.0.get_mut("components").and_then(|components| components.get_mut(kind));
        for body in shared.and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
            prefer_json(body);
        }
    }
    let paths = document.0.get_mut("paths").and_then(Value::as_object_mut);
    for operation in paths.into_iter().flat_map(Map::values_mut).flat_map(operations_mut) {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.retain(|status, _| status.starts_with('2'));
            responses.values_mut().for_each(prefer_json);
        }
        if let Some(body) = operation.get_mut("requestBody") {
            prefer_json(body);
        }
    }
    Ok(document)
}

fn operations_mut(item: &mut Value) -> impl Iterator<Item = &mut Value> {
    let entries = item.as_object_mut().into_iter().flatten();
    entries.filter(|(key, _)| is_method(key)).map(|(_, operation)| operation)
}

pub(in crate::codegen) const JSON: &str = "application/json";

/// Keeps only the JSON form of a body that has one.
fn prefer_json(body: &mut Value) {
    if let Some(content) = body.get_mut("content").and_then(Value::as_object_mut)
        && content.contains_key(JSON)
    {
        content.retain(|kind, _| kind == JSON);
    }
}
