//! Lowers limits of values: types have none, and request bodies are validated against them.

use serde_json::{Map, Value, json};

use super::{LIMITS, each_object, each_schema};
use crate::codegen::document::{Document, is_only_required};
use crate::codegen::error::Error;

/// Keywords that request bodies are validated against.
const VALIDATED: [&str; 10] = [
    "maxLength",
    "minLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "maxItems",
    "minItems",
    "maxProperties",
    "minProperties",
];

/// Keywords that no type has. `minimum` stays until integers have their width.
const DROPPED: [&str; 13] = [
    "maxLength",
    "minLength",
    "pattern",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "multipleOf",
    "default",
];

/// Moves limits to the extension [`LIMITS`]. Types have none: a response outside of a limit must
/// still decode. Request bodies are validated against the extension.
///
/// Defaults are dropped: an omitted property is not sent, and the server applies its default.
pub(super) fn limits_move_to_an_extension(document: Document) -> Result<Document, Error> {
    each_object(document, |_, map| {
        let limits = VALIDATED.iter().filter_map(|key| Some((*key, map.get(*key)?.clone())));
        let mut limits: Map<String, Value> =
            limits.map(|(key, value)| (key.to_owned(), value)).collect();
        if let Some(names) = map.get("propertyNames").and_then(|names| names.get(LIMITS)) {
            limits.insert("propertyNames".to_owned(), names.clone());
        }
        if !limits.is_empty() {
            let present = map.entry(LIMITS).or_insert_with(|| json!({}));
            present.as_object_mut().into_iter().for_each(|present| present.extend(limits.clone()));
        }
        for key in DROPPED {
            map.remove(key);
        }
        if map.get("additionalProperties") == Some(&Value::Bool(false)) {
            map.remove("additionalProperties");
        }
        // Alternatives that only require properties are limits, too.
        if map.contains_key("properties") {
            for key in ["oneOf", "anyOf"] {
                let list = map.get(key).and_then(Value::as_array);
                if list.is_some_and(|list| list.iter().all(is_only_required)) {
                    map.remove(key);
                }
            }
        }
        drop_listed_values(map);
        if map.get("type").is_some_and(|kind| kind == "string") {
            map.remove("format");
        }
    })
}

/// Drops `enum` unless all its values are strings. Other values only restrict their type, which is
/// added if it is missing.
fn drop_listed_values(schema: &mut Map<String, Value>) {
    let Some(Value::Array(values)) = schema.get("enum") else { return };
    if values.iter().all(Value::is_string) {
        return;
    }
    let kind = |value: &Value| match value {
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        _ => None,
    };
    let first = values.first().and_then(kind);
    if let Some(kind) = first.filter(|first| values.iter().all(|value| kind(value) == Some(first)))
    {
        schema.entry("type").or_insert_with(|| kind.into());
    }
    schema.remove("enum");
}

/// An integer that cannot be negative becomes a `u64`, any other an `i64`, whatever its format is.
pub(super) fn integers_get_their_width(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |_, schema| {
        let unsigned = is_unsigned(schema);
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        map.remove("minimum");
        if map.get("type").is_some_and(|kind| kind == "integer") {
            map.insert("format".to_owned(), if unsigned { "uint64" } else { "int64" }.into());
        }
        Ok(())
    })
}

/// Returns whether an integer cannot be negative.
pub fn is_unsigned(schema: &Value) -> bool {
    match schema.get("minimum") {
        Some(minimum) => minimum.as_f64().is_some_and(|minimum| minimum >= 0.0),
        None => schema.get("format").is_some_and(|format| format == "uint64"),
    }
}
