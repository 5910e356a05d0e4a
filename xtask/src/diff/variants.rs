//! The alternatives of a schema, by what tells them apart.

use serde_json::Value;

use super::compare::followed;
use crate::codegen::document::{Document, target};
use crate::codegen::tags::{constant, tell_apart};

/// How deep choices may be within one another.
const DEPTH: usize = 16;

/// The alternatives of a schema. One that is no choice is its own only alternative.
pub(super) struct Variants<'a> {
    choice: bool,
    found: Vec<(String, &'a Value)>,
}

impl<'a> Variants<'a> {
    pub(super) fn of(document: &'a Document, schema: &'a Value) -> Self {
        let mut leaves = Vec::new();
        leaves_of(document, schema, 0, &mut leaves);
        let choice = leaves.len() != 1
            || leaves.first().is_some_and(|(_, leaf)| !std::ptr::eq(*leaf, schema));
        let (objects, others): (Vec<_>, Vec<_>) =
            leaves.into_iter().partition(|(_, leaf)| kind(leaf) == Some("object"));
        let told = tell_apart(document, schema, &objects);
        let mut found = Vec::new();
        match told {
            Some(tag) => {
                let named = |(position, value): &(usize, String)| {
                    objects.get(*position).map(|(_, object)| (value.clone(), *object))
                };
                found.extend(tag.values.iter().filter_map(named));
            }
            None => {
                for (position, (_, object)) in objects.iter().enumerate() {
                    let own = ["type", "object", "event"]
                        .iter()
                        .find_map(|name| constant(document, object, name));
                    let number =
                        if position == 0 { String::new() } else { format!(" {}", position + 1) };
                    found.push((own.unwrap_or_else(|| format!("object{number}")), *object));
                }
            }
        }
        for (_, other) in others {
            let key = kind(other).unwrap_or("anything").to_owned();
            if !found.iter().any(|(present, _)| *present == key) {
                found.push((key, other));
            }
        }
        Self { choice, found }
    }

    pub(super) fn is_choice(&self) -> bool {
        self.choice
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &'a Value)> {
        self.found.iter().map(|(key, schema)| (key, *schema))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.found.iter().map(|(key, _)| key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.found.iter().any(|(present, _)| present == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.found.iter().find(|(present, _)| present == key).map(|(_, schema)| *schema)
    }
}

fn leaves_of<'a>(
    document: &'a Document,
    schema: &'a Value,
    depth: usize,
    found: &mut Vec<(Option<&'a str>, &'a Value)>,
) {
    let component = target(schema);
    let schema = followed(document, schema);
    let lists = ["oneOf", "anyOf"].iter().filter_map(|key| schema.get(key)?.as_array());
    let alternatives: Vec<&Value> = lists.flatten().collect();
    // Alternatives that only say which properties must be there choose between nothing.
    let limits = alternatives
        .iter()
        .all(|one| one.as_object().is_some_and(|one| one.keys().all(|key| key == "required")));
    if limits || depth > DEPTH {
        found.push((component, schema));
        return;
    }
    for alternative in alternatives {
        leaves_of(document, alternative, depth + 1, found);
    }
}

/// The type of a schema, as far as it says one.
pub(super) fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type").and_then(Value::as_str) {
        Some(kind) => Some(kind),
        None if schema.get("properties").is_some() => Some("object"),
        None if schema.get("items").is_some() => Some("array"),
        None => None,
    }
}
