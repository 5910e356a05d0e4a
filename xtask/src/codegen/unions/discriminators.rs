//! Discriminators: the property whose value selects the alternative of a union.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::codegen::document::{Document, schema_name, target};

/// Properties that are tried as discriminators before all others, in order.
const COMMON: [&str; 3] = ["type", "object", "event"];

/// A discriminator of the objects of a union.
#[derive(Clone, Debug, PartialEq)]
pub struct Discriminator {
    /// The property.
    pub property: String,
    /// The position of an object, and a value that selects it.
    pub values: Vec<(usize, String)>,
}

/// Finds the discriminator of a union's objects, which are given with their component's name.
///
/// It is the one that the union declares with `discriminator`, or else a property with a different
/// constant in each object.
pub fn find_discriminator(
    document: &Document,
    union: &Value,
    objects: &[(Option<&str>, &Value)],
) -> Option<Discriminator> {
    if objects.is_empty() {
        return None;
    }
    let declared = union.get("discriminator");
    if let Some(found) = declared.and_then(|declared| resolve(document, declared, objects)) {
        return Some(found);
    }
    let first = objects.first().and_then(|(_, schema)| schema.get("properties")?.as_object());
    let others = first.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
    COMMON.into_iter().chain(others).find_map(|property| {
        let values: Option<Vec<(usize, String)>> = objects
            .iter()
            .enumerate()
            .map(|(position, (_, schema))| Some((position, constant(document, schema, property)?)))
            .collect();
        discriminator(property, values?)
    })
}

/// Resolves a declared discriminator. An object without a mapping is selected by its own constant,
/// or else by the name of its component, as OpenAPI specifies.
fn resolve(
    document: &Document,
    declared: &Value,
    objects: &[(Option<&str>, &Value)],
) -> Option<Discriminator> {
    let property = declared.get("propertyName")?.as_str()?;
    let mapping = declared.get("mapping").and_then(Value::as_object);
    let mut values = Vec::new();
    for (position, (component, schema)) in objects.iter().enumerate() {
        let mapped = mapping.into_iter().flatten().filter(|(_, target)| {
            let target = target.as_str().map(|target| schema_name(target).unwrap_or(target));
            target.is_some() && target == *component
        });
        let mut own: Vec<String> = mapped.map(|(value, _)| value.clone()).collect();
        if own.is_empty() {
            let name = || component.map(str::to_owned);
            own.push(constant(document, schema, property).or_else(name)?);
        }
        values.extend(own.into_iter().map(|value| (position, value)));
    }
    discriminator(property, values)
}

/// Creates a discriminator, if its values are distinct.
fn discriminator(property: &str, values: Vec<(usize, String)>) -> Option<Discriminator> {
    let distinct: BTreeSet<&String> = values.iter().map(|(_, value)| value).collect();
    (distinct.len() == values.len())
        .then(|| Discriminator { property: property.to_owned(), values })
}

/// Returns the value of a property that may have only one.
pub fn constant(document: &Document, schema: &Value, property: &str) -> Option<String> {
    let property = schema.get("properties")?.get(property)?;
    let property = target(property).and_then(|name| document.schema(name)).unwrap_or(property);
    if let Some(Value::String(value)) = property.get("const") {
        return Some(value.clone());
    }
    match property.get("enum")?.as_array()?.as_slice() {
        [Value::String(value)] => Some(value.clone()),
        _ => None,
    }
}
