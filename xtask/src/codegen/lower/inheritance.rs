//! Makes unions of base schemas: a base has a discriminator, and its variants contain it in an `allOf`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::codegen::document::{Document, below, list, reference_to, schema_name, target};
use crate::codegen::error::Error;
use crate::codegen::names::is_union;
use crate::codegen::unions::discriminators::constant;

/// The longest chain of bases.
const DEPTH: usize = 16;

/// Replaces each base by the union of its variants, and the reference in a variant by the properties of
/// the base. Without this, a property that refers to the base would only have the base's properties.
pub(super) fn bases_become_unions(mut document: Document) -> Result<Document, Error> {
    let before = document.clone();
    let mut bases = Vec::new();
    for (name, schema) in before.schemas() {
        if let Some(base) = Base::new(&before, name, schema)? {
            bases.push(base);
        }
    }
    let Some(schemas) = document.schemas_mut() else { return Ok(document) };
    for base in &bases {
        for variant in base.inheriting.iter() {
            if let Some(schema) = schemas.get_mut(*variant) {
                inline_bases(schema, &bases, variant, 0);
            }
        }
    }
    for base in &bases {
        let mut alternatives: Vec<Value> = Vec::new();
        let mut mapping = Map::new();
        for (value, variant) in &base.variants {
            let component = if *variant == base.name {
                // The base is a variant itself.
                let component = format!("{}Object", base.name);
                schemas.entry(component.clone()).or_insert_with(|| base.object(base.name));
                component
            } else {
                (*variant).to_owned()
            };
            let reference = reference_to(&component);
            mapping.insert(value.clone(), format!("#/components/schemas/{component}").into());
            if !alternatives.contains(&reference) {
                alternatives.push(reference);
            }
        }
        let mut union = Map::new();
        for keyword in ["title", "description", "nullable"] {
            if let Some(value) = base.schema.get(keyword) {
                union.insert(keyword.to_owned(), value.clone());
            }
        }
        union.insert("oneOf".to_owned(), alternatives.into());
        let discriminator = json!({ "propertyName": base.property, "mapping": mapping });
        union.insert("discriminator".to_owned(), discriminator);
        schemas.insert(base.name.to_owned(), Value::Object(union));
    }
    Ok(document)
}

/// Returns the components that a base makes reachable: its variants.
pub(in crate::codegen) fn variants_of(document: &Document, name: &str) -> Vec<String> {
    let Some(schema) = document.schema(name) else { return Vec::new() };
    let mut names = inheriting(document, name);
    if schema.get("discriminator").is_none() || is_union(schema) {
        return Vec::new();
    }
    names.extend(mapping(schema).map(|(_, target)| target));
    names.into_iter().map(str::to_owned).collect()
}

struct Base<'a> {
    name: &'a str,
    schema: &'a Map<String, Value>,
    /// The discriminator.
    property: &'a str,
    /// The components that contain the base, directly or indirectly.
    inheriting: Vec<&'a str>,
    /// The values of the discriminator, with the components that they select.
    variants: Vec<(String, &'a str)>,
}

impl<'a> Base<'a> {
    /// Returns a base, if the schema is one.
    fn new(
        document: &'a Document,
        name: &'a str,
        schema: &'a Value,
    ) -> Result<Option<Self>, Error> {
        let property = schema.get("discriminator").and_then(|it| it.get("propertyName")?.as_str());
        let (Some(property), Some(object)) = (property, schema.as_object()) else {
            return Ok(None);
        };
        let inheriting = inheriting(document, name);
        if is_union(schema) || (inheriting.is_empty() && mapping(schema).next().is_none()) {
            return Ok(None);
        }
        let pointer = |tokens: &[&str]| {
            below(&below("/components/schemas", &[name, "discriminator"]), tokens)
        };
        let mut variants: Vec<(String, &str)> = Vec::new();
        for (value, target) in mapping(schema) {
            if document.schema(target).is_none() {
                let reason = format!("`{target}` is not a component");
                let help = "add the component, or correct the mapping";
                return Err(Error::at(pointer(&["mapping", value]), reason, help));
            }
            variants.push((value.clone(), target));
        }
        for variant in &inheriting {
            let Some(schema) = document.schema(variant) else { continue };
            let inner = schema.get("discriminator").and_then(|it| it.get("propertyName")?.as_str());
            if let Some(inner) = inner.filter(|inner| *inner != property) {
                let reason =
                    format!("the variant `{variant}` has a discriminator of its own, `{inner}`");
                let help = "use one discriminator for the base and all of its variants";
                return Err(Error::at(pointer(&[]), reason, help));
            }
            // A base between the base and its variants need not be a variant.
            if inner.is_none() && !variants.iter().any(|(_, mapped)| mapped == variant) {
                let own = own_constant(document, schema, property);
                variants.push((own.unwrap_or_else(|| (*variant).to_owned()), variant));
            }
        }
        Ok(Some(Self { name, schema: object, property, inheriting, variants }))
    }

    /// Returns the base as a part of a variant, whose discriminator has one value if only one selects
    /// the variant.
    fn object(&self, variant: &str) -> Value {
        let mut object = self.schema.clone();
        for keyword in ["discriminator", "title", "description", "nullable"] {
            object.shift_remove(keyword);
        }
        let mut values = self.variants.iter().filter(|(_, name)| *name == variant);
        if let (Some((value, _)), None) = (values.next(), values.next()) {
            let properties = object.entry("properties").or_insert_with(|| json!({}));
            if let Some(properties) = properties.as_object_mut() {
                properties
                    .insert(self.property.to_owned(), json!({ "type": "string", "enum": [value] }));
            }
        }
        Value::Object(object)
    }
}

/// Replaces references to bases in an `allOf` by the properties of the bases. A property that the schema
/// defines itself takes precedence.
fn inline_bases(schema: &mut Value, bases: &[Base<'_>], variant: &str, depth: usize) {
    if depth > DEPTH {
        return;
    }
    let own: BTreeSet<String> = own_properties(schema);
    let parts = schema.get_mut("allOf").and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten() {
        let Some(base) = target(part).and_then(|name| bases.iter().find(|base| base.name == name))
        else {
            continue;
        };
        let mut object = base.object(variant);
        if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| !own.contains(name));
        }
        inline_bases(&mut object, bases, variant, depth + 1);
        *part = object;
    }
}

/// Returns the names of the properties that a schema defines without references.
fn own_properties(schema: &Value) -> BTreeSet<String> {
    let parts = std::iter::once(schema).chain(list(schema, "allOf"));
    let properties = parts.filter_map(|part| part.get("properties")?.as_object());
    properties.flat_map(|properties| properties.keys().cloned()).collect()
}

/// Returns the only value that a schema, or a part of it, allows for a property.
fn own_constant(document: &Document, schema: &Value, property: &str) -> Option<String> {
    let mut parts = std::iter::once(schema).chain(list(schema, "allOf"));
    parts.find_map(|part| constant(document, part, property))
}

/// Returns the components that contain a component in an `allOf`, directly or indirectly.
fn inheriting<'a>(document: &'a Document, base: &str) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    let mut open = vec![base.to_owned()];
    while let Some(base) = open.pop() {
        for (name, schema) in document.schemas() {
            let inherits = list(schema, "allOf").iter().any(|part| target(part) == Some(&base));
            if inherits && !found.contains(&name.as_str()) {
                found.push(name);
                open.push(name.clone());
            }
        }
    }
    // In the order of the document.
    document.schemas().map(|(name, _)| name.as_str()).filter(|name| found.contains(name)).collect()
}

/// Returns the mapping of a discriminator. A target is a reference, or the name of a component.
fn mapping(schema: &Value) -> impl Iterator<Item = (&String, &str)> {
    let mapping = schema.get("discriminator").and_then(|it| it.get("mapping")?.as_object());
    mapping.into_iter().flatten().filter_map(|(value, target)| {
        let target = target.as_str()?;
        Some((value, schema_name(target).unwrap_or(target)))
    })
}
