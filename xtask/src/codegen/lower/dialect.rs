//! Lowers OpenAPI 3.1 to 3.0.

use serde_json::{Value, json};

use super::{each_object, each_schema};
use crate::codegen::document::{Document, target};
use crate::codegen::error::Error;

/// 3.0 has no `const`: it becomes an enum with one value.
pub(super) fn constants_become_enums(document: Document) -> Result<Document, Error> {
    each_object(document, |_, map| {
        if let Some(value) = map.remove("const") {
            map.insert("enum".to_owned(), json!([value]));
        }
    })
}

/// In 3.1, null is a type; in 3.0, `nullable` is a keyword. Removes null from types, `enum` and
/// alternatives. Runs after constants became enums, since `const: null` is another form.
pub(super) fn null_becomes_nullable(document: Document) -> Result<Document, Error> {
    let document = each_schema(document, &mut |pointer, schema| {
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        let mut nullable = false;
        if let Some(Value::Array(types)) = map.get("type") {
            let others: Vec<Value> = types.iter().filter(|kind| *kind != "null").cloned().collect();
            nullable |= others.len() != types.len();
            match others.as_slice() {
                [kind] => drop(map.insert("type".to_owned(), kind.clone())),
                [] => {
                    return Err(Error::at(
                        pointer,
                        "null is the only type",
                        "add the type of the other values",
                    ));
                }
                several => {
                    let alternatives = several.iter().map(|kind| json!({ "type": kind })).collect();
                    map.remove("type");
                    map.insert("anyOf".to_owned(), Value::Array(alternatives));
                }
            }
        }
        if let Some(Value::Array(values)) = map.get_mut("enum") {
            let before = values.len();
            values.retain(|value| !value.is_null());
            nullable |= values.len() != before && !values.is_empty();
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(Value::Array(alternatives)) = map.get_mut(key) {
                let before = alternatives.len();
                alternatives.retain(|alternative| !is_null(alternative));
                nullable |= alternatives.len() != before;
            }
        }
        if nullable {
            map.insert("nullable".to_owned(), true.into());
        }
        Ok(())
    })?;
    // What is left is not an alternative. No type has null as its only value.
    each_object(document, |_, map| {
        if map.get("type").is_some_and(|kind| kind == "null")
            || map.get("enum").and_then(Value::as_array).is_some_and(Vec::is_empty)
        {
            map.remove("type");
            map.remove("enum");
        }
    })
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
        || schema.get("enum").and_then(Value::as_array).is_some_and(Vec::is_empty)
}

/// Moves `nullable` from components to the references to them: a Rust type is the same whether or
/// not a property that has it is optional.
pub(super) fn null_moves_to_references(mut document: Document) -> Result<Document, Error> {
    let mut nullable: Vec<String> = Vec::new();
    for (name, schema) in document.schemas_mut().into_iter().flatten() {
        if schema.as_object_mut().and_then(|map| map.remove("nullable")) == Some(true.into()) {
            nullable.push(name.clone());
        }
    }
    each_schema(document, &mut |_, schema| {
        let is_nullable =
            target(schema).is_some_and(|name| nullable.iter().any(|other| other == name));
        if let (true, Some(map)) = (is_nullable, schema.as_object_mut()) {
            map.insert("nullable".to_owned(), true.into());
        }
        Ok(())
    })
}

/// 3.0 ignores keywords beside a `$ref`: the reference moves into an `allOf`.
pub(super) fn references_stand_alone(document: Document) -> Result<Document, Error> {
    each_object(document, |_, map| {
        if map.len() > 1
            && let Some(reference) = map.remove("$ref")
        {
            map.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
        }
    })
}

/// Drops keywords that 3.0 does not have and typify does not need.
pub(super) fn newer_keywords_are_dropped(document: Document) -> Result<Document, Error> {
    let mut document = each_object(document, |_, map| {
        for key in ["examples", "propertyNames", "$comment", "contentEncoding", "contentMediaType"]
        {
            map.remove(key);
        }
    })?;
    if let Some(root) = document.0.as_object_mut() {
        root.insert("openapi".to_owned(), "3.0.3".into());
        root.remove("jsonSchemaDialect");
        root.remove("webhooks");
        if let Some(license) = root.get_mut("info").and_then(|info| info.get_mut("license"))
            && let Some(license) = license.as_object_mut()
        {
            license.remove("identifier");
        }
    }
    Ok(document)
}
