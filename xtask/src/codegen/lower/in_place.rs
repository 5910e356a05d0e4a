//! What needs no type of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::codegen::document::{Document, schema_name, target};
use crate::codegen::error::Error;
use crate::codegen::names::is_union;

/// How long a chain of such components may be; what is left of a longer one stays a type.
const DEPTH: usize = 16;

/// A component that is only a map, a list, a number or text would become a wrapper type: its users
/// get the thing itself. One that has itself within it has no end to be written out to, and stays
/// a type.
pub(super) fn plain_components_are_written_in_place(
    mut document: Document,
) -> Result<Document, Error> {
    for _ in 0..DEPTH {
        let plain = plain_components(&document);
        document.visit_schemas(&mut |_, schema| {
            let Some(thing) = target(schema).and_then(|name| plain.get(name)) else {
                return Ok(());
            };
            let own = schema.as_object().cloned().unwrap_or_default();
            schema.clone_from(thing);
            if let Some(place) = schema.as_object_mut() {
                place.extend(own.into_iter().filter(|(key, _)| key != "$ref" && key != "allOf"));
            }
            Ok(())
        })?;
        let used = document.references();
        let used: BTreeSet<&str> =
            used.iter().filter_map(|(_, target)| schema_name(target)).collect();
        if let Some(schemas) = document.schemas_mut() {
            schemas.retain(|name, _| !plain.contains_key(name) || used.contains(name.as_str()));
        }
        if plain.keys().all(|name| !used.contains(name.as_str())) {
            break;
        }
    }
    Ok(document)
}

/// The components that can be written in place.
fn plain_components(document: &Document) -> BTreeMap<String, Value> {
    let mut plain: BTreeMap<String, Value> = document
        .schemas()
        .filter(|(_, schema)| is_plain(schema))
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect();
    // Only what leads back to itself through others of its kind has no end: a struct on the way
    // stays a reference.
    let leads_to: BTreeMap<&str, BTreeSet<String>> = plain
        .iter()
        .map(|(name, schema)| {
            let names = Document::references_in(schema).into_iter();
            let names = names.filter_map(|to| schema_name(&to).map(str::to_owned));
            (name.as_str(), names.collect())
        })
        .collect();
    let endless: Vec<String> =
        plain.keys().filter(|name| circles(name, &leads_to)).cloned().collect();
    plain.retain(|name, _| !endless.contains(name));
    plain
}

fn circles(name: &str, leads_to: &BTreeMap<&str, BTreeSet<String>>) -> bool {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![name];
    while let Some(one) = open.pop() {
        for next in leads_to.get(one).into_iter().flatten() {
            if next == name {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

fn is_plain(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    let map = schema.get("additionalProperties").is_some() && schema.get("properties").is_none();
    let choice = is_union(schema) || schema.get("enum").is_some() || schema.get("allOf").is_some();
    let scalar = matches!(kind, Some("string" | "integer" | "number" | "boolean" | "array"));
    !choice && (map || scalar)
}
