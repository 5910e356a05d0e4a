//! Stage `boxing`: finds recursion through unions. Typify boxes recursive properties, but it cannot
//! see through the types that replace its unions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{Document, contains, rust_name, target};
use super::unions::Unions;

/// Returns the properties, with the Rust name of their object, whose type is a union that contains
/// the object. Without a box, the object would have infinite size.
pub fn boxed_properties(document: &Document, unions: &Unions) -> BTreeSet<(String, String)> {
    let mut contents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut properties: Vec<(String, &String, String)> = Vec::new();
    for (name, schema) in document.schemas() {
        let object = rust_name(name);
        let own = schema.get("properties").and_then(Value::as_object);
        for (property, schema) in own.into_iter().flatten() {
            let Some(kind) = target(schema).map(rust_name) else { continue };
            contents.entry(object.clone()).or_default().insert(kind.clone());
            properties.push((object.clone(), property, kind));
        }
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for union in &unions.unions {
        let bodies = union.tagged.iter().map(|variant| rust_name(&variant.body));
        let object = union.object.iter().map(|(_, body)| rust_name(body));
        contents.entry(union.name.clone()).or_default().extend(bodies.chain(object));
        names.insert(&union.name);
    }
    properties
        .into_iter()
        .filter(|(object, _, kind)| {
            names.contains(kind.as_str()) && contains(&contents, kind, object)
        })
        .map(|(object, property, _)| (object, property.clone()))
        .collect()
}
