//! Stage `optional_fields`: makes required properties of runs and steps nullable that providers are
//! known to omit.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::document::{Document, schema_name};
use super::unions::discriminators::constant;

/// Values of `object` in the objects that providers are known to send incomplete.
const INCOMPLETE_OBJECTS: [&str; 2] = ["thread.run", "thread.run.step"];

/// Properties of these objects that were seen to be absent or null. Properties that identify the
/// object (`id`, `status`, `thread_id`, …) stay required.
pub const OPTIONAL_PROPERTIES: [&str; 6] =
    ["assistant_id", "instructions", "metadata", "model", "parallel_tool_calls", "tools"];

/// Returns the component schemas that no request contains.
pub fn response_only_schemas(document: &Document) -> BTreeSet<String> {
    let requests: Vec<Value> = document
        .operations()
        .map(|(_, _, operation)| json!([operation.get("requestBody"), operation.get("parameters")]))
        .collect();
    let in_requests = document.reachable(&Value::Array(requests));
    let in_requests: BTreeSet<&str> =
        in_requests.iter().filter_map(|target| schema_name(target)).collect();
    document
        .schemas()
        .map(|(name, _)| name.clone())
        .filter(|name| !in_requests.contains(name.as_str()))
        .collect()
}

/// Returns whether providers are known to send objects of this schema incomplete.
pub fn may_be_incomplete(document: &Document, schema: &Value) -> bool {
    constant(document, schema, "object")
        .is_some_and(|object| INCOMPLETE_OBJECTS.contains(&object.as_str()))
}

/// Makes the [`OPTIONAL_PROPERTIES`] of runs and steps nullable, except lists. The stage `rewrite`
/// makes nullable properties optional, and decodes such a list as empty if it is absent or null.
pub fn make_optional(mut document: Document, response_only: &BTreeSet<String>) -> Document {
    let names: Vec<String> = document
        .schemas()
        .filter(|(name, schema)| {
            response_only.contains(*name) && may_be_incomplete(&document, schema)
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        let Some(schema) = document.schemas_mut().and_then(|schemas| schemas.get_mut(&name)) else {
            continue;
        };
        for property in OPTIONAL_PROPERTIES {
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
