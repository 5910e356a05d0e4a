//! Schemas: keywords that say what no generated type can.

use serde_json::{Map, Value};

use super::below;
use crate::codegen::document::{Document, schema_name};
use crate::codegen::error::Error;

/// Keywords of which nothing can be made, and what to do about each.
const UNSUPPORTED: [(&str, &str); 4] = [
    ("not", "say what it is; leave what it is not to the description"),
    ("prefixItems", "describe the list as one of equal `items`, or as an object"),
    ("$dynamicRef", "refer to a component by `$ref`"),
    ("$recursiveRef", "refer to a component by `$ref`"),
];

/// The types of values.
const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "object", "array", "null"];

pub(super) fn check(document: &Document) -> Result<(), Error> {
    if let Some(schemas) = document.0.pointer("/components/schemas")
        && !schemas.is_object()
    {
        return Err(Error::at(
            "/components/schemas",
            "the schemas are no object",
            "give each a name",
        ));
    }
    // Visiting is for changes; this one makes none.
    document.clone().visit_schemas(&mut |pointer, schema| {
        let Some(map) = schema.as_object() else {
            return Err(Error::at(pointer, "a schema is no object", "write `{}` for anything"));
        };
        schema_at(document, pointer, map)
    })
}

fn schema_at(document: &Document, pointer: &str, schema: &Map<String, Value>) -> Result<(), Error> {
    let refuse = |tokens: &[&str], reason: String, help: &str| {
        Err(Error::at(below(pointer, tokens), reason, help))
    };
    for (keyword, help) in UNSUPPORTED {
        if schema.contains_key(keyword) {
            return refuse(&[keyword], format!("`{keyword}` is not supported"), help);
        }
    }
    if let Some(reference) = schema.get("$ref") {
        let name = reference.as_str().and_then(schema_name);
        if name.is_none_or(|name| document.schema(name).is_none()) {
            return refuse(
                &["$ref"],
                format!("the reference {reference} leads to no component's schema"),
                "move what it means to `/components/schemas`, and refer to that",
            );
        }
    }
    if let Some(kind) = schema.get("type") {
        let kinds = kind.as_array().map_or(std::slice::from_ref(kind), Vec::as_slice);
        let known = |kind: &Value| kind.as_str().is_some_and(|kind| TYPES.contains(&kind));
        if kinds.is_empty() || !kinds.iter().all(known) {
            return refuse(
                &["type"],
                format!("the type {kind} is not known"),
                "give one of JSON's types",
            );
        }
    }
    if schema.get("items").is_some_and(Value::is_array) {
        return refuse(
            &["items"],
            "a list of which each item has a schema of its own is not supported".to_owned(),
            "describe the list as one of equal `items`, or as an object",
        );
    }
    for keyword in ["oneOf", "anyOf", "allOf"] {
        let Some(list) = schema.get(keyword) else { continue };
        if list.as_array().is_none_or(Vec::is_empty) {
            return refuse(
                &[keyword],
                format!("`{keyword}` is no list of schemas"),
                "list them, or leave it out",
            );
        }
    }
    shape(schema, refuse)
}

/// Keywords whose value has the wrong form.
fn shape<F>(schema: &Map<String, Value>, refuse: F) -> Result<(), Error>
where
    F: Fn(&[&str], String, &str) -> Result<(), Error>,
{
    let is_schema = |value: &Value| value.is_object();
    for (keyword, value) in schema {
        let (right, wanted) = match keyword.as_str() {
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
            "description" | "title" | "format" | "pattern" => (value.is_string(), "text"),
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
        if !right {
            return refuse(
                &[keyword],
                format!("`{keyword}` is not {wanted}"),
                "see what OpenAPI says about it",
            );
        }
    }
    Ok(())
}
