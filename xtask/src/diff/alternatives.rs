//! The alternatives of a schema, by discriminator.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::codegen::document::{Document, kind, resolve_schema};
use crate::codegen::unions::discriminators::{constant, find_discriminator};
use crate::codegen::unions::{Alternative, add_alternatives};

/// The alternatives of a schema. A schema that is not a union is its own only alternative.
pub(super) struct Alternatives<'a> {
    pub(super) is_union: bool,
    found: Vec<(String, Alternative<'a>)>,
}

impl<'a> Alternatives<'a> {
    pub(super) fn of(document: &'a Document, schema: &'a Value) -> Self {
        let mut alternatives = Vec::new();
        let visited = &mut BTreeSet::new();
        add_alternatives(document, String::new(), schema, visited, &mut alternatives);
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
                    objects.get(*position).map(|object| (value.clone(), object.clone()))
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
                    found.push((own.unwrap_or_else(|| format!("object{number}")), object.clone()));
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

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Alternative<'a>)> {
        self.found.iter().map(|(key, alternative)| (key, alternative))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.found.iter().map(|(key, _)| key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Alternative<'a>> {
        self.found.iter().find(|(present, _)| present == key).map(|(_, alternative)| alternative)
    }
}
