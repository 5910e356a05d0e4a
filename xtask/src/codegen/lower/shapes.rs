//! What a schema is, where it can be said in several ways.

use serde_json::{Map, Value, json};

use super::{LISTED, each_schema};
use crate::codegen::document::{Document, referred};
use crate::codegen::error::Error;

/// An `anyOf` or `oneOf` of one is that one. A reference becomes an `allOf`, which is how 3.0 puts
/// `nullable` or a description beside it; anything else is taken up into its parent.
/// A named union of one object stays: more of its kind may come.
pub(super) fn single_alternatives_fold(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |pointer, schema| {
        let named =
            pointer.rsplit_once('/').is_some_and(|(parent, _)| parent == "/components/schemas");
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
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
        Ok(())
    })
}

/// Parts of an `allOf` that are written out, or that are several, become one object. Parts that
/// only say something about the place (`nullable`, a description) move up to it.
pub(super) fn compositions_become_one(document: Document) -> Result<Document, Error> {
    let before = document.clone();
    each_schema(document, &mut |pointer, schema| {
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        let Some(Value::Array(parts)) = map.remove("allOf") else { return Ok(()) };
        let mut real = Vec::new();
        for part in parts {
            match part {
                Value::Object(part) if part.keys().all(|key| BESIDE.contains(&key.as_str())) => {
                    for (key, value) in part {
                        map.entry(key).or_insert(value);
                    }
                }
                part => real.push(part),
            }
        }
        let beside = map.keys().all(|key| BESIDE.contains(&key.as_str()));
        if matches!(real.as_slice(), [only] if beside && referred(only).is_some()) {
            map.insert("allOf".to_owned(), Value::Array(real));
            return Ok(());
        }
        for part in real {
            merge(&before, map, &part, pointer, 0)?;
        }
        Ok(())
    })
}

/// What may stand beside a reference without changing what it refers to.
const BESIDE: [&str; 7] =
    ["nullable", "description", "default", "title", "deprecated", "example", "x-inline"];

/// How deep compositions may be within one another.
const DEPTH: usize = 16;

fn merge(
    document: &Document,
    into: &mut Map<String, Value>,
    part: &Value,
    pointer: &str,
    depth: usize,
) -> Result<(), Error> {
    let wrong = |reason: &str| Err(Error::at(pointer, reason, "describe the object in one place"));
    if depth > DEPTH {
        return wrong("`allOf` leads in a circle, or too deep");
    }
    let part = match referred(part) {
        Some(name) => document.schema(name).unwrap_or(part),
        None => part,
    };
    let Some(part) = part.as_object() else { return wrong("a part of `allOf` is no schema") };
    for inner in part.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        merge(document, into, inner, pointer, depth + 1)?;
    }
    for (key, value) in part {
        match (key.as_str(), into.get_mut(key), value) {
            ("allOf", ..) => {}
            ("properties", Some(Value::Object(present)), Value::Object(more)) => {
                for (name, property) in more {
                    present.entry(name.clone()).or_insert_with(|| property.clone());
                }
            }
            ("required", Some(Value::Array(present)), Value::Array(more)) => {
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

/// Marks an enum of a document that allows other values in so many words.
pub const OPEN: &str = "x-open";

/// A choice between strings, some of them listed, is an enum that is open anyway.
pub(super) fn string_choices_become_enums(document: Document) -> Result<Document, Error> {
    let before = document.clone();
    each_schema(document, &mut |_, schema| {
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
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
        Ok(())
    })
}

/// The listed values of alternatives that are all strings; none if one of them is not. A single
/// one is no choice.
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
        let schema =
            referred(alternative).and_then(|name| document.schema(name)).unwrap_or(alternative);
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

/// The generator reads a list that is left out as an empty one, and leaves an empty one out. To the
/// API these are two things: a run with `tools: []` has none, one without `tools` has its
/// assistant's. What may be null becomes an `Option`, which tells them apart.
pub(super) fn optional_lists_and_maps_may_be_null(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |_, schema| {
        let required = schema.get("required").cloned().unwrap_or_default();
        let required = |name: &str| {
            required.as_array().is_some_and(|names| names.iter().any(|one| one == name))
        };
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            let open =
                property.get("items").is_some() || property.get("additionalProperties").is_some();
            if let (true, false, Some(property)) = (open, required(name), property.as_object_mut())
            {
                // Marked, as the document itself does not say null.
                if property.insert("nullable".to_owned(), true.into()).is_none() {
                    property.insert(LISTED.to_owned(), true.into());
                }
            }
        }
        Ok(())
    })
}
