//! Prepares the schemas of an OpenAPI document for the validator.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::SchemaError;

const COMPONENTS: &str = "#/components/schemas/";

/// Reads an OpenAPI document and makes its schemas stricter:
///
/// - An object that lists properties, and does not say anything about others, rejects others. JSON
///   Schema would accept them, and the server would then ignore a field without an error.
/// - Integers are within `i64`, which is what the API's types hold.
///
/// It makes them more tolerant in one way: an object with alternatives, of which each requires other
/// properties, can have none of them. The original API treats it as an object whose lists are empty.
///
/// Returns the part of the document that request bodies need, and the names of their components.
pub(super) fn prepare(openapi: &str) -> Result<(Value, BTreeSet<String>), SchemaError> {
    let mut document: Value = serde_json::from_str(openapi)
        .map_err(|error| SchemaError(format!("the OpenAPI document is not JSON: {error}")))?;
    let schemas = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| SchemaError("the OpenAPI document has no components/schemas".to_owned()))?;
    schemas.values_mut().try_for_each(|schema| restrict(schema, true))?;
    let components = request_bodies(&document);
    Ok((with_schemas(&document, components.iter().map(String::as_str)), components))
}

/// Returns a schema for the component, with the targets of its references. The validator keeps
/// memory for all schemas of its document, so others are not part of it.
pub(super) fn root(document: &Value, component: &str) -> Value {
    let mut root = with_schemas(document, [component]);
    if let Some(root) = root.as_object_mut() {
        root.insert("$ref".to_owned(), format!("{COMPONENTS}{component}").into());
    }
    root
}

/// Returns a document with these components and all that they refer to.
fn with_schemas<'a>(document: &Value, components: impl IntoIterator<Item = &'a str>) -> Value {
    let mut pending: Vec<String> = components.into_iter().map(str::to_owned).collect();
    let mut schemas = Map::new();
    while let Some(name) = pending.pop() {
        let schema = document.pointer(&format!("/components/schemas/{name}"));
        if let Some(schema) = schema.filter(|_| !schemas.contains_key(&name)) {
            add_references(schema, &mut pending);
            schemas.insert(name, schema.clone());
        }
    }
    json!({"components": {"schemas": schemas}})
}

/// Adds the names of the components that a schema refers to.
fn add_references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            let name = reference.and_then(|reference| reference.strip_prefix(COMPONENTS));
            names.extend(name.map(str::to_owned));
            members.values().for_each(|value| add_references(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| add_references(value, names)),
        _ => {}
    }
}

fn request_bodies(document: &Value) -> BTreeSet<String> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let operations = paths.filter_map(|(_, path)| path.as_object()).flatten();
    operations
        .filter_map(|(_, operation)| {
            let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref");
            schema?.as_str()?.strip_prefix(COMPONENTS).map(str::to_owned)
        })
        .collect()
}

/// Restricts a schema and those within it. The parts of an `allOf` accept unknown properties, because
/// each lists only some of the object's properties. The schema around them rejects unknown ones.
fn restrict(schema: &mut Value, rejects_unknown: bool) -> Result<(), SchemaError> {
    let Some(schema) = schema.as_object_mut() else { return Ok(()) };
    if !rejects_unknown && schema.contains_key("$ref") {
        return Err(SchemaError("allOf with a reference is not supported".to_owned()));
    }
    if is_integer(schema) {
        schema.entry("minimum").or_insert(i64::MIN.into());
        schema.entry("maximum").or_insert(i64::MAX.into());
    }
    if rejects_unknown && !schema.contains_key("additionalProperties") {
        if schema.contains_key("allOf") {
            schema.entry("unevaluatedProperties").or_insert(false.into());
        } else if schema.contains_key("properties") {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
    }
    if let Some(Value::Array(variants)) = schema.get_mut("oneOf")
        && variants.iter().all(is_requirement)
    {
        variants.push(json!({"maxProperties": 0}));
    }
    for (keyword, value) in schema {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(members)) => {
                members.values_mut().try_for_each(|member| restrict(member, true))?;
            }
            ("items" | "additionalProperties", schema) => restrict(schema, true)?,
            ("oneOf" | "anyOf", Value::Array(variants)) => {
                variants.iter_mut().try_for_each(|variant| restrict(variant, true))?;
            }
            ("allOf", Value::Array(parts)) => {
                parts.iter_mut().try_for_each(|part| restrict(part, false))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns whether a schema only requires properties.
fn is_requirement(schema: &Value) -> bool {
    schema.as_object().is_some_and(|schema| schema.keys().eq(["required"]))
}

/// Returns whether a schema accepts integers and no other numbers.
pub(super) fn is_integer(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::Array(types)) => {
            types.contains(&"integer".into()) && !types.contains(&"number".into())
        }
        Some(name) => name == "integer",
        None => false,
    }
}

/// Follows the references of a schema within the document.
pub(super) fn resolve<'a>(
    document: &'a Value,
    schema: &'a Value,
) -> Option<&'a Map<String, Value>> {
    let mut schema = schema.as_object()?;
    // The validator has resolved every reference, but a circle of them must not hang.
    for _ in 0..16 {
        let Some(reference) = schema.get("$ref") else { break };
        schema = document.pointer(reference.as_str()?.strip_prefix('#')?)?.as_object()?;
    }
    Some(schema)
}
