//! Inlines components that need no type of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::codegen::document::{Document, contains, schema_name, target};
use crate::codegen::error::Error;
use crate::codegen::names::is_union;

/// The longest chain of such components that is inlined. The rest stays components.
const DEPTH: usize = 16;

/// Inlines components that are a map, a list, a number or a string: typify would generate a wrapper
/// type. A component that contains itself cannot be inlined, and stays.
pub(super) fn plain_components_are_inlined(mut document: Document) -> Result<Document, Error> {
    for _ in 0..DEPTH {
        let plain = plain_components(&document);
        document.visit_schemas(&mut |_, schema| {
            let Some(component) = target(schema).and_then(|name| plain.get(name)) else {
                return Ok(());
            };
            let own = schema.as_object().cloned().unwrap_or_default();
            schema.clone_from(component);
            if let Some(inlined) = schema.as_object_mut() {
                inlined.extend(own.into_iter().filter(|(key, _)| key != "$ref" && key != "allOf"));
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

/// Returns the components that can be inlined.
fn plain_components(document: &Document) -> BTreeMap<String, Value> {
    let mut plain: BTreeMap<String, Value> = document
        .schemas()
        .filter(|(_, schema)| is_plain(schema))
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect();
    // Recursion through a struct is fine: the struct stays a reference.
    let contents: BTreeMap<String, BTreeSet<String>> = plain
        .iter()
        .map(|(name, schema)| {
            let names = Document::references_in(schema).into_iter();
            let names = names.filter_map(|target| schema_name(&target).map(str::to_owned));
            (name.clone(), names.collect())
        })
        .collect();
    plain.retain(|name, _| !contains(&contents, name, name));
    plain
}

fn is_plain(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    let map = schema.get("additionalProperties").is_some() && schema.get("properties").is_none();
    let union_or_enum =
        is_union(schema) || schema.get("enum").is_some() || schema.get("allOf").is_some();
    let scalar = matches!(kind, Some("string" | "integer" | "number" | "boolean" | "array"));
    !union_or_enum && (map || scalar)
}
