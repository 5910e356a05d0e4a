//! Lowers bodies: only their JSON form stays.

use serde_json::Value;

use crate::codegen::document::Document;
use crate::codegen::error::Error;

/// Progenitor supports one success response with one media type. The SDK reads event streams,
/// and error bodies, which may have any content from a proxy or a provider.
pub(super) fn other_bodies_are_dropped(mut document: Document) -> Result<Document, Error> {
    for kind in ["responses", "requestBodies"] {
        document.components_mut(kind).for_each(|(_, body)| prefer_json(body));
    }
    for (_, _, operation) in document.operations_mut() {
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

pub(in crate::codegen) const JSON: &str = "application/json";

/// Keeps only the JSON form of a body that has one.
fn prefer_json(body: &mut Value) {
    if let Some(content) = body.get_mut("content").and_then(Value::as_object_mut)
        && content.contains_key(JSON)
    {
        content.retain(|kind, _| kind == JSON);
    }
}
