//! Objects that have themselves within them. The generator boxes what leads back to itself, as far
//! as it sees it: our unions are closed to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{Document, rust_name, target};
use super::unions::Unions;

/// The properties, by Rust name of their object, whose type is a union that leads back to the
/// object: without a box it would be of infinite size.
pub fn boxed(document: &Document, unions: &Unions) -> BTreeSet<(String, String)> {
    let mut leads_to: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut properties: Vec<(String, &String, String)> = Vec::new();
    for (name, schema) in document.schemas() {
        let object = rust_name(name);
        let of_object = schema.get("properties").and_then(Value::as_object);
        for (property, schema) in of_object.into_iter().flatten() {
            let Some(to) = target(schema).map(rust_name) else { continue };
            leads_to.entry(object.clone()).or_default().insert(to.clone());
            properties.push((object.clone(), property, to));
        }
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for union in &unions.unions {
        let bodies = union.tagged.iter().map(|variant| rust_name(&variant.body));
        let only = union.object.iter().map(|(_, body)| rust_name(body));
        leads_to.entry(union.name.clone()).or_default().extend(bodies.chain(only));
        names.insert(&union.name);
    }
    properties
        .into_iter()
        .filter(|(object, _, to)| names.contains(to.as_str()) && leads(&leads_to, to, object))
        .map(|(object, property, _)| (object, property.clone()))
        .collect()
}

fn leads(leads_to: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut met = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(one) = open.pop() {
        if one == to {
            return true;
        }
        let next = leads_to.get(one).into_iter().flatten().map(String::as_str);
        open.extend(next.filter(|next| met.insert(next)));
    }
    false
}
