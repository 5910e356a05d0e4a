//! Checks of schemas: keywords that no generated type can express.

use serde_json::{Map, Value};

use super::below;
use crate::codegen::document::{Document, schema_name};
use crate::codegen::error::Error;

/// Unsupported keywords, and what to do about each.
const UNSUPPORTED: [(&str, &str); 4] = [
    ("not", "describe in words what the value is not"),
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
    let reject = |tokens: &[&str], reason: String, help: &str| {
        Err(Error::at(below(pointer, tokens), reason, help))
    };
    for (keyword, help) in UNSUPPORTED {
        if schema.contains_key(keyword) {
            return reject(&[keyword], format!("`{keyword}` is not supported"), help);
        }
    }
    if let Some(reference) = schema.get("$ref") {
        let name = reference.as_str().and_then(schema_name);
        if name.is_none_or(|name| document.schema(name).is_none()) {
            return reject(
                &["$ref"],
                format!("the reference {reference} is not to a component schema"),
                "move the target to `/components/schemas`, and refer to it there",
            );
        }
    }
    if let Some(kind) = schema.get("type") {
        let kinds = kind.as_array().map_or(std::slice::from_ref(kind), Vec::as_slice);
        let known = |kind: &Value| kind.as_str().is_some_and(|kind| TYPES.contains(&kind));
        if kinds.is_empty() || !kinds.iter().all(known) {
            return reject(&["type"], format!("unknown type {kind}"), "use a JSON type");
        }
    }
    if schema.get("items").is_some_and(Value::is_array) {
        return reject(
            &["items"],
            "a list with one schema for each position is not supported".to_owned(),
            "use `items` with one schema for all items, or an object",
        );
    }
    for keyword in ["oneOf", "anyOf", "allOf"] {
        let Some(list) = schema.get(keyword) else { continue };
        if list.as_array().is_none_or(Vec::is_empty) {
            return reject(
                &[keyword],
                format!("`{keyword}` must be a list of schemas"),
                "list the schemas, or remove the keyword",
            );
        }
    }
    value_types(schema, reject)
}

/// Checks the type of each keyword's value.
fn value_types<F>(schema: &Map<String, Value>, reject: F) -> Result<(), Error>
where
    F: Fn(&[&str], String, &str) -> Result<(), Error>,
{
    let is_schema = |value: &Value| value.is_object();
    for (keyword, value) in schema {
        let (valid, expected) = match keyword.as_str() {
            "properties" => (value.is_object(), "an object with a schema for each property"),
            "items" => (is_schema(value), "a schema"),
            "additionalProperties" => {
                (is_schema(value) || value.is_boolean(), "a schema, true or false")
            }
            "enum" => {
                (value.as_array().is_some_and(|values| !values.is_empty()), "a list of values")
            }
            "required" => (
                value.as_array().is_some_and(|names| names.iter().all(Value::is_string)),
                "a list of names",
            ),
            "description" | "title" | "format" | "pattern" => (value.is_string(), "a string"),
            "nullable" | "deprecated" | "readOnly" | "writeOnly" => {
                (value.is_boolean(), "true or false")
            }
            "discriminator" => (
                value.get("propertyName").is_some_and(Value::is_string)
                    && value.get("mapping").is_none_or(|mapping| {
                        mapping.as_object().is_some_and(|map| map.values().all(Value::is_string))
                    }),
                "an object with a `propertyName`",
            ),
            _ => continue,
        };
        if !valid {
            return reject(
                &[keyword],
                format!("`{keyword}` must be {expected}"),
                "see the OpenAPI specification",
            );
        }
    }
    Ok(())
}
