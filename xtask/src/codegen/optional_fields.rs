//! Stage `optional_fields`: decides which properties of a response must be present. The others are
//! options, or empty lists, maps, texts and the like.
//!
//! A schema states the properties without which its objects are useless in [`ALWAYS_PRESENT`]; for a
//! schema that does not, [`DEFAULT_ALWAYS_PRESENT`] applies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::document::{
    Document, alternatives, below, is_true, list, reference_to, resolve_schema, schema_name, target,
};
use super::error::Error;
use super::names::INLINE;
use super::unions::event_unions;

/// The extension of a schema with the properties that a response always has.
pub const ALWAYS_PRESENT: &str = "x-always-present";

/// The extension of a schema with the properties that are empty if a response does not have them: a
/// text, zero, false, or an object without properties. Lists and maps need not be listed.
pub const EMPTY_IF_ABSENT: &str = "x-empty-if-absent";

/// The properties that the responses of any API always have, in addition to discriminators.
pub const DEFAULT_ALWAYS_PRESENT: [&str; 2] = ["id", "status"];

/// The list that a page always has: without it, an error with status 200 would be an empty page.
const ENTRIES: &str = "data";

/// Marks a required property that a response need not have, with [`NONE`] or [`EMPTY`].
pub const ABSENT: &str = "x-absent";

/// An absent property is `None`.
pub const NONE: &str = "none";

/// An absent property has the default value of its type.
pub const EMPTY: &str = "empty";

/// Returns the component schemas that no request contains.
pub fn response_only_schemas(document: &Document) -> BTreeSet<String> {
    let in_requests = in_requests(document);
    let schemas = document.schemas().map(|(name, _)| name.clone());
    schemas.filter(|name| !in_requests.contains(name.as_str())).collect()
}

/// Returns the component schemas that only requests contain.
fn request_only_schemas(document: &Document) -> BTreeSet<String> {
    let operations = document.operations().map(|(_, _, operation)| operation.get("responses"));
    let in_responses = reachable(document, &json!(operations.collect::<Vec<_>>()));
    let events = event_unions(document).into_iter().map(|(_, name)| reference_to(&name));
    let in_events = reachable(document, &Value::Array(events.collect()));
    let mut names = in_requests(document);
    names.retain(|name| !in_responses.contains(name) && !in_events.contains(name));
    names
}

fn in_requests(document: &Document) -> BTreeSet<String> {
    let requests = document.operations().map(|(_, _, operation)| {
        json!([operation.get("requestBody"), operation.get("parameters")])
    });
    reachable(document, &Value::Array(requests.collect()))
}

fn reachable(document: &Document, from: &Value) -> BTreeSet<String> {
    let targets = document.reachable(from);
    targets.iter().filter_map(|target| schema_name(target)).map(str::to_owned).collect()
}

/// Marks the required properties that a response need not have. Those that are `None` if absent become
/// nullable, so that typify makes them options.
pub fn make_optional(mut document: Document) -> Result<Document, Error> {
    let request_only = request_only_schemas(&document);
    let before = document.clone();
    let discriminators = declared_discriminators(&before);
    for (name, schema) in document.schemas_mut().into_iter().flatten() {
        let always_present = names(&before, name, ALWAYS_PRESENT)?;
        let empty_if_absent = names(&before, name, EMPTY_IF_ABSENT)?.unwrap_or_default();
        if request_only.contains(name) {
            continue;
        }
        let is_stated = always_present.is_some();
        let always_present = always_present.unwrap_or(DEFAULT_ALWAYS_PRESENT.to_vec());
        let required: BTreeSet<String> =
            list(schema, "required").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (property, schema) in properties.into_iter().flatten() {
            let is_present = always_present.contains(&property.as_str())
                || (!is_stated && property == ENTRIES && schema.get("items").is_some())
                || discriminators.contains(property.as_str())
                || is_constant(&before, schema);
            let is_nullable = schema.get("nullable") == Some(&Value::Bool(true));
            if is_present || is_nullable || !required.contains(property) {
                continue;
            }
            let is_empty = empty_if_absent.contains(&property.as_str()) || is_list_or_map(schema);
            let Some(schema) = schema.as_object_mut() else { continue };
            if let Some(reference) = schema.remove("$ref") {
                schema.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
            }
            schema.insert(ABSENT.to_owned(), if is_empty { EMPTY } else { NONE }.into());
            if !is_empty {
                schema.insert("nullable".to_owned(), true.into());
            }
        }
    }
    Ok(document)
}

/// Makes required properties optional that lead back to their own object through required properties.
/// Otherwise no value is finite, and to create an empty one would not end.
pub fn make_finite(mut document: Document) -> Document {
    // The required properties of each object, and their objects.
    let mut required: BTreeMap<String, BTreeMap<String, String>> = document
        .schemas()
        .map(|(name, schema)| (name.clone(), required_objects(&document, schema)))
        .collect();
    for (name, schema) in document.schemas_mut().into_iter().flatten() {
        let Some(properties) = required.get(name) else { continue };
        let mut finite = properties.clone();
        finite.retain(|_, object| !leads_to(&required, object, name));
        if let Some(listed) = schema.get_mut("required").and_then(Value::as_array_mut) {
            listed.retain(|property| {
                property.as_str().is_none_or(|property| {
                    finite.contains_key(property) || !properties.contains_key(property)
                })
            });
        }
        // One optional property is enough: the other objects are finite then.
        required.insert(name.clone(), finite);
    }
    document
}

/// Returns whether an object contains another one, or is it.
fn leads_to(required: &BTreeMap<String, BTreeMap<String, String>>, from: &str, to: &str) -> bool {
    let (mut next, mut seen) = (vec![from], BTreeSet::new());
    while let Some(object) = next.pop() {
        if object == to {
            return true;
        }
        if seen.insert(object) {
            next.extend(
                required.get(object).into_iter().flat_map(BTreeMap::values).map(|name| &**name),
            );
        }
    }
    false
}

/// Returns the required properties of a schema whose values are objects with properties, and the names
/// of their schemas.
fn required_objects(document: &Document, schema: &Value) -> BTreeMap<String, String> {
    let properties = list(schema, "required").iter().filter_map(|name| {
        let name = name.as_str()?;
        let property = schema.get("properties")?.get(name)?;
        let target = target(property).filter(|_| !is_true(property, "nullable"))?;
        let object = document.schema(target)?;
        // The empty value of a union is null.
        let is_object = object.get("properties").is_some() && alternatives(object).next().is_none();
        is_object.then(|| (name.to_owned(), target.to_owned()))
    });
    properties.collect()
}

/// Returns the properties that an extension of a schema lists.
fn names<'a>(
    document: &'a Document,
    name: &str,
    extension: &str,
) -> Result<Option<Vec<&'a str>>, Error> {
    let Some(schema) = document.schema(name) else { return Ok(None) };
    let Some(listed) = schema.get(extension) else { return Ok(None) };
    let pointer = || below("", &["components", "schemas", name, extension]);
    let is_property =
        |name: &str| schema.get("properties").is_some_and(|all| all.get(name).is_some());
    let names: Option<Vec<&str>> = listed
        .as_array()
        .and_then(|names| names.iter().map(|name| name.as_str()).collect::<Option<_>>());
    let names: Vec<&str> = names.ok_or_else(|| {
        Error::at(pointer(), "not a list of names", "list the names of properties")
    })?;
    match names.iter().find(|name| !is_property(name)) {
        Some(unknown) => {
            let reason = format!("the schema has no property `{unknown}`");
            Err(Error::at(pointer(), reason, "list only properties of this schema"))
        }
        None => Ok(Some(names)),
    }
}

/// Returns the properties that a union declares as its discriminator.
fn declared_discriminators(document: &Document) -> BTreeSet<&str> {
    let declared = document.schemas().filter_map(|(_, schema)| schema.get("discriminator"));
    declared.filter_map(|declared| declared.get("propertyName")?.as_str()).collect()
}

/// Returns whether a property has one value, which it also has if it is absent.
fn is_constant(document: &Document, property: &Value) -> bool {
    let schema = resolve_schema(document, property);
    schema.get(INLINE).is_some() && list(schema, "enum").len() == 1
}

fn is_list_or_map(schema: &Value) -> bool {
    let is_object = schema.get("type").is_some_and(|kind| kind == "object");
    schema.get("items").is_some()
        || schema.get("additionalProperties").is_some()
        || (is_object && schema.get("properties").is_none())
}
