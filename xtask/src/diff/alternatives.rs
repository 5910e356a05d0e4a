//! The alternatives of a schema, by discriminator.

use std::collections::BTreeSet;

use serde_json::Value;

use super::compare::resolve_schema;
use crate::codegen::document::{Document, target};
use crate::codegen::unions::discriminators::{constant, find_discriminator};

/// An alternative, with its component if it is one.
#[derive(Clone, Copy)]
pub(super) struct Alternative<'a> {
    pub(super) component: Option<&'a str>,
    pub(super) schema: &'a Value,
}

/// The alternatives of a schema. A schema that is not a union is its own only alternative.
pub(super) struct Alternatives<'a> {
    is_union: bool,
    found: Vec<(String, Alternative<'a>)>,
}

impl<'a> Alternatives<'a> {
    pub(super) fn of(document: &'a Document, schema: &'a Value) -> Self {
        let mut alternatives = Vec::new();
        add_alternatives(document, schema, &mut BTreeSet::new(), &mut alternatives);
        let resolved = resolve_schema(document, schema);
        let is_union = alternatives.len() != 1
            || alternatives
                .first()
                .is_some_and(|alternative| !std::ptr::eq(alternative.schema, resolved));
        let (objects, others): (Vec<_>, Vec<_>) = alternatives
            .into_iter()
            .partition(|alternative| kind(alternative.schema) == Some("object"));
        let schemas: Vec<(Option<&str>, &Value)> =
            objects.iter().map(|object| (object.component, object.schema)).collect();
        let mut found = Vec::new();
        match find_discriminator(document, resolved, &schemas) {
            Some(discriminator) => {
                let object_of = |(position, value): &(usize, String)| {
                    objects.get(*position).map(|object| (value.clone(), *object))
                };
                found.extend(discriminator.values.iter().filter_map(object_of));
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
            let key = kind(other.schema).unwrap_or("any").to_owned();
            if !found.iter().any(|(present, _)| *present == key) {
                found.push((key, other));
            }
        }
        Self { is_union, found }
    }

    pub(super) fn is_union(&self) -> bool {
        self.is_union
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, Alternative<'a>)> {
        self.found.iter().map(|(key, alternative)| (key, *alternative))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.found.iter().map(|(key, _)| key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.found.iter().any(|(present, _)| present == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<Alternative<'a>> {
        self.found.iter().find(|(present, _)| present == key).map(|(_, alternative)| *alternative)
    }
}

/// Adds the alternatives of a schema, unless its component was visited before. Unions may contain
/// one another.
fn add_alternatives<'a>(
    document: &'a Document,
    schema: &'a Value,
    visited: &mut BTreeSet<&'a str>,
    found: &mut Vec<Alternative<'a>>,
) {
    let component = target(schema);
    if component.is_some_and(|name| !visited.insert(name)) {
        return;
    }
    let schema = resolve_schema(document, schema);
    let lists = ["oneOf", "anyOf"].iter().filter_map(|key| schema.get(key)?.as_array());
    let alternatives: Vec<&Value> = lists.flatten().collect();
    // Alternatives that only require properties are not a union.
    let only_limits = alternatives.iter().all(|alternative| {
        let keywords = alternative.as_object();
        keywords.is_some_and(|keywords| keywords.keys().all(|key| key == "required"))
    });
    if only_limits {
        found.push(Alternative { component, schema });
        return;
    }
    for alternative in alternatives {
        add_alternatives(document, alternative, visited, found);
    }
}

/// Returns the type of a schema, if it has one.
pub(super) fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type").and_then(Value::as_str) {
        Some(kind) => Some(kind),
        None if schema.get("properties").is_some() => Some("object"),
        None if schema.get("items").is_some() => Some("array"),
        None => None,
    }
}
