//! Step 3, name: enums and unions that stand within another schema become components, since what
//! has a name can be replaced by a type of our own.

use serde_json::{Map, Value};

use super::document::{Document, description, reference_to, rust_name};
use super::error::Error;

/// Gives every inline string enum and every inline union a component of its own, named after the
/// place where it stood: property `status` of `Run` becomes `RunStatus`.
pub fn name_inline_types(mut document: Document) -> Result<Document, Error> {
    let Some(schemas) = document.schemas_mut() else { return Ok(document) };
    let mut named = Map::new();
    for (name, mut schema) in std::mem::take(schemas) {
        let mut found = Vec::new();
        if !is_union(&schema) {
            name_within(&rust_name(&name), &mut schema, &mut found);
        } else {
            for key in ["oneOf", "anyOf"] {
                let alternatives = schema.get_mut(key).and_then(Value::as_array_mut);
                for (index, alternative) in alternatives.into_iter().flatten().enumerate() {
                    let title = alternative.get("title").and_then(Value::as_str);
                    let own = title.map_or_else(|| index.to_string(), rust_name);
                    name_within(&format!("{}{own}", rust_name(&name)), alternative, &mut found);
                }
            }
        }
        named.insert(name, schema);
        for (name, schema) in found {
            named.entry(name).or_insert(schema);
        }
    }
    *schemas = named;
    Ok(document)
}

fn name_within(parent: &str, schema: &mut Value, found: &mut Vec<(String, Value)>) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (property, inner) in properties.into_iter().flatten() {
        name_type(&format!("{parent}{}", rust_name(property)), inner, found);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key).filter(|inner| inner.is_object()) {
            name_type(&format!("{parent}Item"), inner, found);
        }
    }
}

fn name_type(name: &str, schema: &mut Value, found: &mut Vec<(String, Value)>) {
    if is_string_enum(schema) || is_union(schema) {
        let nullable = schema.as_object_mut().and_then(|map| map.remove("nullable"));
        let mut reference = reference_to(name);
        if let (Some(map), Some(nullable)) = (reference.as_object_mut(), nullable) {
            let inner = map.remove("$ref");
            map.insert("allOf".to_owned(), serde_json::json!([{ "$ref": inner }]));
            map.insert("nullable".to_owned(), nullable);
        }
        if let (Some(map), Some(text)) = (reference.as_object_mut(), description(schema)) {
            if let Some(inner) = map.remove("$ref") {
                map.insert("allOf".to_owned(), serde_json::json!([{ "$ref": inner }]));
            }
            map.insert("description".to_owned(), text.into());
        }
        let mut named = std::mem::replace(schema, reference);
        if let Some(map) = named.as_object_mut() {
            map.insert("x-inline".to_owned(), true.into());
        }
        found.push((name.to_owned(), named));
    } else {
        name_within(name, schema, found);
    }
}

/// Whether a schema is a list of strings to choose from.
pub fn is_string_enum(schema: &Value) -> bool {
    schema
        .get("enum")
        .and_then(Value::as_array)
        .is_some_and(|values| !values.is_empty() && values.iter().all(Value::is_string))
}

/// Whether a schema is a choice between others.
pub fn is_union(schema: &Value) -> bool {
    ["oneOf", "anyOf"].iter().any(|key| schema.get(key).is_some())
}
