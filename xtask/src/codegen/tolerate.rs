//! Step 6, tolerate: what providers are known to leave out of a run or a step, although it is
//! required, may be missing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::document::{Document, schema_name};
use super::tags::constant;

/// Objects that providers are known to send incomplete.
const OBJECTS: [&str; 2] = ["thread.run", "thread.run.step"];

/// The properties that were seen to be absent or null in them. What tells one object from another
/// (`id`, `status`, `thread_id`, …) is not among these: without it a reply is no run.
pub const PROPERTIES: [&str; 6] =
    ["assistant_id", "instructions", "metadata", "model", "parallel_tool_calls", "tools"];

/// Names of the schemas that never go into a request.
pub fn only_in_replies(document: &Document) -> BTreeSet<String> {
    let requests: Vec<Value> = document
        .0
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|paths| paths.values())
        .filter_map(Value::as_object)
        .flat_map(|item| item.values())
        .map(|operation| json!([operation.get("requestBody"), operation.get("parameters")]))
        .collect();
    let sent = document.reachable(&Value::Array(requests));
    let sent: BTreeSet<&str> = sent.iter().filter_map(|target| schema_name(target)).collect();
    document
        .schemas()
        .map(|(name, _)| name.clone())
        .filter(|name| !sent.contains(name.as_str()))
        .collect()
}

/// Whether a schema is one of the objects that providers are known to send incomplete.
pub fn is_tolerated_object(document: &Document, schema: &Value) -> bool {
    constant(document, schema, "object").is_some_and(|object| OBJECTS.contains(&object.as_str()))
}

/// Lets the known properties of runs and steps be null, lists aside. The generated code reads a
/// property that may be null as absent too, and such a list as empty (see `polish`).
pub fn tolerate_missing(mut document: Document, replies: &BTreeSet<String>) -> Document {
    let names: Vec<String> = document
        .schemas()
        .filter(|(name, schema)| replies.contains(*name) && is_tolerated_object(&document, schema))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        let Some(schema) = document.schemas_mut().and_then(|schemas| schemas.get_mut(&name)) else {
            continue;
        };
        for property in PROPERTIES {
            let property = schema.pointer_mut(&format!("/properties/{property}"));
            let Some(property) = property.and_then(Value::as_object_mut) else { continue };
            if property.contains_key("items") {
                continue;
            }
            if let Some(reference) = property.remove("$ref") {
                property.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
            }
            property.insert("nullable".to_owned(), true.into());
        }
    }
    document
}
