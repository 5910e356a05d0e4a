//! Lowers constructs that have several equivalent forms to one form.

use serde_json::{Map, Value, json};

use super::{EMPTY_IS_NOT_ABSENT, each_object, each_schema};
use crate::codegen::document::{Document, is_required, list, target};
use crate::codegen::error::Error;
use crate::codegen::optional_fields::{ALWAYS_PRESENT, EMPTY_IF_ABSENT};

/// Replaces a union with one alternative by the alternative. A reference becomes an `allOf`, which
/// is how 3.0 adds `nullable` or a description; any other schema is merged into its parent. A
/// component union of one object stays, since it may get more variants.
pub(super) fn single_alternatives_fold(document: Document) -> Result<Document, Error> {
    each_object(document, |pointer, map| {
        let named =
            pointer.rsplit_once('/').is_some_and(|(parent, _)| parent == "/components/schemas");
        for key in ["oneOf", "anyOf"] {
            let Some([only]) = map.get(key).and_then(Value::as_array).map(Vec::as_slice) else {
                continue;
            };
            let only = only.clone();
            if only.get("$ref").is_some() {
                if !named {
                    map.remove(key);
                    map.insert("allOf".to_owned(), json!([only]));
                }
            } else if let Value::Object(inner) = only {
                map.remove(key);
                for (name, value) in inner {
                    map.entry(name).or_insert(value);
                }
            }
        }
    })
}

/// Merges the parts of an `allOf` into one object. Parts that only describe the reference
/// (`nullable`, a description) become its siblings.
pub(super) fn compositions_are_merged(document: Document) -> Result<Document, Error> {
    let before = document.clone();
    each_schema(document, &mut |pointer, schema| {
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        let Some(Value::Array(parts)) = map.remove("allOf") else { return Ok(()) };
        let mut schemas = Vec::new();
        for part in parts {
            match part {
                Value::Object(part)
                    if part.keys().all(|key| REFERENCE_SIBLINGS.contains(&key.as_str())) =>
                {
                    for (key, value) in part {
                        map.entry(key).or_insert(value);
                    }
                }
                part => schemas.push(part),
            }
        }
        let only_siblings = map.keys().all(|key| REFERENCE_SIBLINGS.contains(&key.as_str()));
        if matches!(schemas.as_slice(), [only] if only_siblings && target(only).is_some()) {
            map.insert("allOf".to_owned(), Value::Array(schemas));
            return Ok(());
        }
        for part in schemas {
            merge(&before, map, &part, pointer, 0)?;
        }
        Ok(())
    })
}

/// Keywords that may be siblings of a reference without changing its target.
const REFERENCE_SIBLINGS: [&str; 7] =
    ["nullable", "description", "default", "title", "deprecated", "example", "x-inline"];

/// The deepest nesting of compositions.
const DEPTH: usize = 16;

fn merge(
    document: &Document,
    into: &mut Map<String, Value>,
    part: &Value,
    pointer: &str,
    depth: usize,
) -> Result<(), Error> {
    let error = |reason: &str| {
        Err(Error::at(pointer, reason, "describe the object without this composition"))
    };
    if depth > DEPTH {
        return error("`allOf` is recursive, or nested too deeply");
    }
    let part = document.resolved(part);
    for inner in list(part, "allOf") {
        merge(document, into, inner, pointer, depth + 1)?;
    }
    let Some(part) = part.as_object() else { return error("a part of `allOf` is not a schema") };
    for (key, value) in part {
        match (key.as_str(), into.get_mut(key), value) {
            ("allOf", ..) => {}
            ("properties", Some(Value::Object(present)), Value::Object(more)) => {
                for (name, property) in more {
                    present.entry(name.clone()).or_insert_with(|| property.clone());
                }
            }
            (
                "required" | ALWAYS_PRESENT | EMPTY_IF_ABSENT,
                Some(Value::Array(present)),
                Value::Array(more),
            ) => {
                present.extend(
                    more.iter().filter(|name| !present.contains(name)).cloned().collect::<Vec<_>>(),
                );
            }
            (_, None, value) => drop(into.insert(key.clone(), value.clone())),
            _ => {}
        }
    }
    Ok(())
}

/// Marks an enum that the document allows to have other values.
pub const OPEN: &str = "x-open";

/// Replaces a union of strings, some of which are listed, by an enum. Generated enums keep unknown
/// values anyway.
pub(super) fn string_choices_become_enums(document: Document) -> Result<Document, Error> {
    let before = document.clone();
    each_object(document, |_, map| {
        for key in ["oneOf", "anyOf"] {
            let Some(alternatives) = map.get(key).and_then(Value::as_array) else { continue };
            let mut open = false;
            let Some(values) = strings(&before, alternatives, 0, &mut open) else { continue };
            map.remove(key);
            if open && !values.is_empty() {
                map.insert(OPEN.to_owned(), true.into());
            }
            map.insert("type".to_owned(), "string".into());
            if !values.is_empty() {
                map.insert("enum".to_owned(), Value::Array(values));
            }
        }
    })
}

/// Returns the listed values of alternatives that are all strings. Returns `None` if one is not a
/// string, or if there is only one.
fn strings(
    document: &Document,
    alternatives: &[Value],
    depth: usize,
    open: &mut bool,
) -> Option<Vec<Value>> {
    let mut values: Vec<Value> = Vec::new();
    if alternatives.len() + depth < 2 || depth > DEPTH {
        return None;
    }
    for alternative in alternatives {
        let schema = document.resolved(alternative);
        let inner = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(key)?.as_array());
        let more = match inner {
            Some(inner) => strings(document, inner, depth + 1, open)?,
            None if schema.get("type")? == "string" => {
                *open |= schema.get("enum").is_none();
                schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default()
            }
            None => return None,
        };
        for value in more {
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    Some(values)
}

/// Makes optional lists and maps nullable. Typify decodes an absent list as empty, and does not
/// send an empty one, but the API distinguishes the two: a run with `tools: []` has no tools, and
/// one without `tools` has those of its assistant. A nullable property becomes an `Option`.
pub(super) fn optional_lists_and_maps_may_be_null(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |_, schema| {
        let before = schema.clone();
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            let is_list_or_map =
                property.get("items").is_some() || property.get("additionalProperties").is_some();
            if let (true, false, Some(property)) =
                (is_list_or_map, is_required(&before, name), property.as_object_mut())
            {
                // The document does not allow null, so the property is marked.
                if property.insert("nullable".to_owned(), true.into()).is_none() {
                    property.insert(EMPTY_IS_NOT_ABSENT.to_owned(), true.into());
                }
            }
        }
        Ok(())
    })
}
