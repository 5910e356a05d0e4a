//! The alternatives of a schema, by what tells them apart.

use std::collections::BTreeSet;

use serde_json::Value;

use super::compare::followed;
use crate::codegen::document::{Document, target};
use crate::codegen::tags::{constant, tell_apart};

/// One alternative: the component that it is, if it has a name, and what it says.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub(super) component: Option<&'a str>,
    pub(super) schema: &'a Value,
}

/// The alternatives of a schema. One that is no choice is its own only alternative.
pub(super) struct Variants<'a> {
    choice: bool,
    found: Vec<(String, Leaf<'a>)>,
}

impl<'a> Variants<'a> {
    pub(super) fn of(document: &'a Document, schema: &'a Value) -> Self {
        let mut leaves = Vec::new();
        leaves_of(document, schema, &mut BTreeSet::new(), &mut leaves);
        let whole = followed(document, schema);
        let choice = leaves.len() != 1
            || leaves.first().is_some_and(|leaf| !std::ptr::eq(leaf.schema, whole));
        let (objects, others): (Vec<_>, Vec<_>) =
            leaves.into_iter().partition(|leaf| kind(leaf.schema) == Some("object"));
        let told: Vec<(Option<&str>, &Value)> =
            objects.iter().map(|leaf| (leaf.component, leaf.schema)).collect();
        let mut found = Vec::new();
        match tell_apart(document, whole, &told) {
            Some(tag) => {
                let named = |(position, value): &(usize, String)| {
                    objects.get(*position).map(|object| (value.clone(), *object))
                };
                found.extend(tag.values.iter().filter_map(named));
            }
            None => {
                for (position, object) in objects.iter().enumerate() {
                    let own = ["type", "object", "event"]
                        .iter()
                        .find_map(|name| constant(document, object.schema, name));
                    let number =
                        if position == 0 { String::new() } else { format!(" {}", position + 1) };
                    found.push((own.unwrap_or_else(|| format!("object{number}")), *object));
                }
            }
        }
        for other in others {
            let key = kind(other.schema).unwrap_or("anything").to_owned();
            if !found.iter().any(|(present, _)| *present == key) {
                found.push((key, other));
            }
        }
        Self { choice, found }
    }

    pub(super) fn is_choice(&self) -> bool {
        self.choice
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, Leaf<'a>)> {
        self.found.iter().map(|(key, leaf)| (key, *leaf))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.found.iter().map(|(key, _)| key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.found.iter().any(|(present, _)| present == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<Leaf<'a>> {
        self.found.iter().find(|(present, _)| present == key).map(|(_, leaf)| *leaf)
    }
}

/// A component that was met before adds nothing: its alternatives are there already, or, where
/// choices have one another within them, would go on without an end.
fn leaves_of<'a>(
    document: &'a Document,
    schema: &'a Value,
    met: &mut BTreeSet<&'a str>,
    found: &mut Vec<Leaf<'a>>,
) {
    let component = target(schema);
    if component.is_some_and(|name| !met.insert(name)) {
        return;
    }
    let schema = followed(document, schema);
    let lists = ["oneOf", "anyOf"].iter().filter_map(|key| schema.get(key)?.as_array());
    let alternatives: Vec<&Value> = lists.flatten().collect();
    // Alternatives that only say which properties must be there choose between nothing.
    let limits = alternatives
        .iter()
        .all(|one| one.as_object().is_some_and(|one| one.keys().all(|key| key == "required")));
    if limits {
        found.push(Leaf { component, schema });
        return;
    }
    for alternative in alternatives {
        leaves_of(document, alternative, met, found);
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
