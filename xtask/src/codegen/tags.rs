//! What tells the objects of a choice apart.

use serde_json::Value;

use super::document::{Document, schema_name, target};

/// Properties that tell objects apart, in the order in which they are tried before any other.
const TAGS: [&str; 3] = ["type", "object", "event"];

/// A property, and which of its values belongs to which object, by the object's position.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// The property.
    pub property: String,
    /// Position and value.
    pub values: Vec<(usize, String)>,
}

/// Finds the property that tells the objects of a union apart: what its `discriminator` says, else
/// one of which each object has a value of its own.
pub fn tell_apart(
    document: &Document,
    union: &Value,
    objects: &[(Option<&str>, &Value)],
) -> Option<Tag> {
    if objects.is_empty() {
        return None;
    }
    if let Some(tag) = union.get("discriminator").and_then(|one| said(document, one, objects)) {
        return Some(tag);
    }
    let first = objects.first().and_then(|(_, schema)| schema.get("properties")?.as_object());
    let others = first.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
    TAGS.into_iter().chain(others).find_map(|property| {
        let values: Option<Vec<(usize, String)>> = objects
            .iter()
            .enumerate()
            .map(|(position, (_, schema))| Some((position, constant(document, schema, property)?)))
            .collect();
        values
            .filter(|values| differ(values))
            .map(|values| Tag { property: property.to_owned(), values })
    })
}

/// What a discriminator object says. Where it maps no value to an object, the object's own constant
/// is the value, or its component's name, as OpenAPI has it.
fn said(
    document: &Document,
    discriminator: &Value,
    objects: &[(Option<&str>, &Value)],
) -> Option<Tag> {
    let property = discriminator.get("propertyName")?.as_str()?;
    let mapping = discriminator.get("mapping").and_then(Value::as_object);
    let mut values = Vec::new();
    for (position, (component, schema)) in objects.iter().enumerate() {
        let mapped = mapping.into_iter().flatten().filter(|(_, to)| {
            let to = to.as_str().map(|to| schema_name(to).unwrap_or(to));
            to.is_some() && to == *component
        });
        let mut own: Vec<String> = mapped.map(|(value, _)| value.clone()).collect();
        if own.is_empty() {
            let named = || component.map(str::to_owned);
            own.push(constant(document, schema, property).or_else(named)?);
        }
        values.extend(own.into_iter().map(|value| (position, value)));
    }
    differ(&values).then(|| Tag { property: property.to_owned(), values })
}

fn differ(values: &[(usize, String)]) -> bool {
    let unique: std::collections::BTreeSet<&String> =
        values.iter().map(|(_, value)| value).collect();
    unique.len() == values.len()
}

/// The one value that a property of a schema may have.
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
