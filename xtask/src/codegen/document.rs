//! The document between the steps: JSON with the means to find one's way in it.

use std::collections::BTreeSet;

use heck::ToUpperCamelCase as _;
use serde_json::{Map, Value};

use super::error::Error;

/// An OpenAPI document on its way to the generator.
#[derive(Clone, Debug, PartialEq)]
pub struct Document(pub Value);

/// What a step does to one schema: its JSON pointer, and the schema itself.
pub type SchemaVisitor<'a> = dyn FnMut(&str, &mut Value) -> Result<(), Error> + 'a;

const SCHEMA_MAPS: [&str; 3] = ["properties", "patternProperties", "$defs"];
const SCHEMA_LISTS: [&str; 4] = ["oneOf", "anyOf", "allOf", "prefixItems"];
const SCHEMAS: [&str; 5] = ["items", "additionalProperties", "not", "propertyNames", "contains"];
/// Keys of maps whose own keys are names, whatever they look like.
const NAMES: [&str; 8] = [
    "properties",
    "patternProperties",
    "$defs",
    "responses",
    "schemas",
    "parameters",
    "headers",
    "requestBodies",
];
/// Keys under which anything may stand that only looks like a schema.
const OPAQUE: [&str; 5] = ["example", "examples", "default", "enum", "const"];

impl Document {
    /// The named schemas.
    pub fn schemas(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten()
    }

    /// A named schema.
    pub fn schema(&self, name: &str) -> Option<&Value> {
        self.0.pointer("/components/schemas")?.get(name)
    }

    /// The named schemas, to change.
    pub fn schemas_mut(&mut self) -> Option<&mut Map<String, Value>> {
        self.0.pointer_mut("/components/schemas")?.as_object_mut()
    }

    /// What a local reference leads to.
    pub fn resolve(&self, reference: &str) -> Option<&Value> {
        self.0.pointer(reference.strip_prefix('#')?)
    }

    /// The operations: path, method and operation, in the order of the document.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.0.get("paths").and_then(Value::as_object).into_iter().flatten();
        paths.flat_map(|(path, item)| {
            let entries = item.as_object().into_iter().flatten();
            let operations = entries.filter(|(key, _)| is_method(key));
            operations.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
        })
    }

    /// Follows a reference. Returns any other value as it is.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let reference = value.get("$ref").and_then(Value::as_str);
        reference.and_then(|reference| self.resolve(reference)).unwrap_or(value)
    }

    /// Visits every schema, the inner ones first.
    pub fn visit_schemas(&mut self, visit: &mut SchemaVisitor<'_>) -> Result<(), Error> {
        let mut pointer = String::new();
        visit_below(&mut self.0, &mut pointer, visit)
    }

    /// Every place where a `$ref` stands, with where it leads.
    pub fn references(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        collect_references(&self.0, &mut String::new(), false, &mut found);
        found
    }

    /// Where the references within a value lead.
    pub fn references_in(value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        collect_references(value, &mut String::new(), false, &mut found);
        found.into_iter().map(|(_, target)| target).collect()
    }

    /// Names of the schemas that something refers to, other than a named union to its alternatives.
    pub fn references_outside_unions(&self) -> BTreeSet<String> {
        let within_union = |pointer: &str| {
            let place =
                pointer.strip_prefix("/components/schemas/").and_then(|rest| rest.split_once('/'));
            place.is_some_and(|(_, rest)| rest.starts_with("oneOf/") || rest.starts_with("anyOf/"))
        };
        self.references()
            .iter()
            .filter(|(pointer, _)| !within_union(pointer))
            .filter_map(|(_, target)| schema_name(target).map(str::to_owned))
            .collect()
    }

    /// Everything that can be reached from a value through references, as their targets.
    pub fn reachable(&self, from: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![from];
        while let Some(value) = open.pop() {
            for reference in Self::references_in(value) {
                let Some(target) = self.resolve(&reference) else { continue };
                if found.insert(reference) {
                    open.push(target);
                }
            }
        }
        found
    }
}

/// The methods that an operation may have.
pub const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Whether a key of a path item is an operation's method.
pub fn is_method(key: &str) -> bool {
    METHODS.contains(&key)
}

/// The component that a reference names, if it names a schema.
pub fn schema_name(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/components/schemas/")
}

/// The component that a schema refers to, and nothing else.
pub fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str().and_then(schema_name)
}

/// The component that a schema refers to, with or without something beside the reference.
pub fn target(schema: &Value) -> Option<&str> {
    let beside = || match schema.get("allOf")?.as_array()?.as_slice() {
        [only] => referred(only),
        _ => None,
    };
    referred(schema).or_else(beside)
}

/// A schema that refers to a component.
pub fn reference_to(name: &str) -> Value {
    serde_json::json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A name as Rust writes types and variants. Marks that a name loses keep two values apart.
pub fn rust_name(name: &str) -> String {
    let spelled = name.replace(['.', '[', ']', '*', '/', ':'], " ").to_upper_camel_case();
    // What counts as a letter or a number somewhere may still have no place in an identifier.
    let spelled = spelled.chars().fold(String::new(), |mut spelled, letter| {
        if letter.is_ascii_alphanumeric()
            || syn::parse_str::<syn::Ident>(&format!("a{letter}")).is_ok()
        {
            spelled.push(letter);
        } else {
            spelled.push_str(&format!("U{:X}", u32::from(letter)));
        }
        spelled
    });
    match spelled.chars().next() {
        None => "Empty".to_owned(),
        Some(_) if spelled == "Self" => "Self_".to_owned(),
        Some(_) if syn::parse_str::<syn::Ident>(&spelled).is_err() => format!("Value{spelled}"),
        Some(_) => spelled,
    }
}

/// The description of a schema.
pub fn description(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str).map(str::trim)
}

/// Adds a step to a JSON pointer.
pub fn push(pointer: &mut String, token: &str) -> usize {
    let before = pointer.len();
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
    before
}

fn visit_below(
    value: &mut Value,
    pointer: &mut String,
    visit: &mut SchemaVisitor<'_>,
) -> Result<(), Error> {
    visit_entries(value, pointer, false, visit)
}

fn visit_entries(
    value: &mut Value,
    pointer: &mut String,
    names: bool,
    visit: &mut SchemaVisitor<'_>,
) -> Result<(), Error> {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if is_opaque(key) && !names {
                    continue;
                }
                let before = push(pointer, key);
                if key == "schema" && !names {
                    visit_schema(inner, pointer, visit)?;
                } else if pointer == "/components/schemas" {
                    visit_map(inner, pointer, visit)?;
                } else {
                    let names = !names && NAMES.contains(&key.as_str());
                    visit_entries(inner, pointer, names, visit)?;
                }
                pointer.truncate(before);
            }
        }
        Value::Array(items) => visit_list(items, pointer, visit, visit_below)?,
        _ => {}
    }
    Ok(())
}

/// Extensions are none of the document's own words either.
fn is_opaque(key: &str) -> bool {
    OPAQUE.contains(&key) || key.starts_with("x-")
}

type Visit = fn(&mut Value, &mut String, &mut SchemaVisitor<'_>) -> Result<(), Error>;

fn visit_list(
    items: &mut [Value],
    pointer: &mut String,
    visit: &mut SchemaVisitor<'_>,
    each: Visit,
) -> Result<(), Error> {
    for (index, item) in items.iter_mut().enumerate() {
        let before = push(pointer, &index.to_string());
        each(item, pointer, visit)?;
        pointer.truncate(before);
    }
    Ok(())
}

fn visit_map(
    schemas: &mut Value,
    pointer: &mut String,
    visit: &mut SchemaVisitor<'_>,
) -> Result<(), Error> {
    for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
        let before = push(pointer, name);
        visit_schema(schema, pointer, visit)?;
        pointer.truncate(before);
    }
    Ok(())
}

/// Visits a schema, the schemas within it first.
pub fn visit_schema(
    schema: &mut Value,
    pointer: &mut String,
    visit: &mut SchemaVisitor<'_>,
) -> Result<(), Error> {
    if let Value::Object(map) = schema {
        for (key, inner) in map {
            let before = push(pointer, key);
            match inner {
                Value::Object(_) if SCHEMA_MAPS.contains(&key.as_str()) => {
                    visit_map(inner, pointer, visit)?;
                }
                Value::Object(_) if SCHEMAS.contains(&key.as_str()) => {
                    visit_schema(inner, pointer, visit)?;
                }
                Value::Array(items) if SCHEMA_LISTS.contains(&key.as_str()) => {
                    visit_list(items, pointer, visit, visit_schema)?;
                }
                _ => {}
            }
            pointer.truncate(before);
        }
    }
    visit(pointer, schema)
}

/// Where keys are names, none of them means anything.
fn collect_references(
    value: &Value,
    pointer: &mut String,
    names: bool,
    found: &mut Vec<(String, String)>,
) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let before = push(pointer, key);
                match inner {
                    Value::String(target) if key == "$ref" && !names => {
                        found.push((pointer.clone(), target.clone()));
                    }
                    _ if is_opaque(key) && !names => {}
                    _ => {
                        let inner_names = !names && NAMES.contains(&key.as_str());
                        collect_references(inner, pointer, inner_names, found);
                    }
                }
                pointer.truncate(before);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let before = push(pointer, &index.to_string());
                collect_references(item, pointer, false, found);
                pointer.truncate(before);
            }
        }
        _ => {}
    }
}
