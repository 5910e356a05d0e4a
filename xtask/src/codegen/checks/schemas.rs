//! Checks of schemas: keywords that no generated type can express.

use serde_json::{Map, Value};

use crate::codegen::document::{Document, below, schema_name};
use crate::codegen::error::Error;

/// Unsupported keywords, and what to do about each.
const UNSUPPORTED: [(&str, &str); 11] = [
    ("not", "describe in words what the value is not"),
    ("if", "describe in words when a property is required"),
    ("then", "describe in words when a property is required"),
    ("else", "describe in words when a property is required"),
    ("dependentSchemas", "describe in words how the properties depend on each other"),
    ("dependentRequired", "describe in words how the properties depend on each other"),
    ("patternProperties", "use `additionalProperties` with one schema for all values"),
    ("contains", "use `items` with one schema for all items"),
    ("prefixItems", "use `items` with one schema for all items, or an object"),
    ("$dynamicRef", "use `$ref` to a component"),
    ("$recursiveRef", "use `$ref` to a component"),
];

/// The JSON types.
const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "object", "array", "null"];

pub(super) fn check(document: &Document) -> Result<(), Error> {
    if let Some(schemas) = document.0.pointer("/components/schemas")
        && !schemas.is_object()
    {
        return Err(Error::at(
            "/components/schemas",
            "the schemas must be an object",
            "use a map from names to schemas",
        ));
    }
    // `visit_schemas` needs a mutable document, but this visitor changes nothing.
    document.clone().visit_schemas(&mut |pointer, schema| {
        let Some(map) = schema.as_object() else {
            return Err(Error::at(
                pointer,
                "a schema must be an object",
                "use `{}` to allow any value",
            ));
        };
        check_schema(document, pointer, map)
    })
}

fn check_schema(
    document: &Document,
    pointer: &str,
    schema: &Map<String, Value>,
) -> Result<(), Error> {
    let reject = |keyword: &str, reason: String, help: &str| {
        Err(Error::at(below(pointer, &[keyword]), reason, help))
    };
    for (keyword, help) in UNSUPPORTED {
        if schema.contains_key(keyword) {
            return reject(keyword, format!("`{keyword}` is not supported"), help);
        }
    }
    if let Some(reference) = schema.get("$ref") {
        let name = reference.as_str().and_then(schema_name);
        if name.is_none_or(|name| document.schema(name).is_none()) {
            let reason = format!("the reference {reference} is not to a component schema");
            let help = "move the target to `/components/schemas`, and refer to it there";
            return reject("$ref", reason, help);
        }
    }
    if let Some(kind) = schema.get("type") {
        let kinds = kind.as_array().map_or(std::slice::from_ref(kind), Vec::as_slice);
        let known = |kind: &Value| kind.as_str().is_some_and(|kind| TYPES.contains(&kind));
        if kinds.is_empty() || !kinds.iter().all(known) {
            return reject("type", format!("unknown type {kind}"), "use a JSON type");
        }
    }
    if schema.get("items").is_some_and(Value::is_array) {
        let reason = "a list with one schema for each position is not supported".to_owned();
        return reject("items", reason, "use `items` with one schema for all items, or an object");
    }
    for keyword in ["oneOf", "anyOf", "allOf"] {
        let Some(list) = schema.get(keyword) else { continue };
        if list.as_array().is_none_or(Vec::is_empty) {
            let reason = format!("`{keyword}` must be a list of schemas");
            return reject(keyword, reason, "list the schemas, or remove the keyword");
        }
    }
    for (keyword, value) in schema {
        if let Some(expected) = invalid_value(keyword, value) {
            let reason = format!("`{keyword}` must be {expected}");
            return reject(keyword, reason, "see the OpenAPI specification");
        }
    }
    Ok(())
}

/// Returns what the value of a keyword must be, if it is not.
fn invalid_value(keyword: &str, value: &Value) -> Option<&'static str> {
    let (valid, expected) = match keyword {
        "properties" => (value.is_object(), "an object with a schema for each property"),
        "items" => (value.is_object(), "a schema"),
        "additionalProperties" => {
            (value.is_object() || value.is_boolean(), "a schema, true or false")
        }
        "enum" => (value.as_array().is_some_and(|list| !list.is_empty()), "a list of values"),
        "required" => (
            value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            "a list of names",
        ),
        "description" | "title" | "format" | "pattern" => (value.is_string(), "a string"),
        "nullable" | "deprecated" | "readOnly" | "writeOnly" => {
            (value.is_boolean(), "true or false")
        }
        "discriminator" => {
            let is_mapping = value.get("mapping").is_none_or(|mapping| {
                mapping.as_object().is_some_and(|map| map.values().all(Value::is_string))
            });
            let has_name = value.get("propertyName").is_some_and(Value::is_string);
            (has_name && is_mapping, "an object with a `propertyName`")
        }
        _ => return None,
    };
    (!valid).then_some(expected)
}
