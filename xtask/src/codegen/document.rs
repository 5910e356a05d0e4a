//! The OpenAPI document that the stages work on, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use serde_json::{Map, Value};

use super::error::Error;

/// An OpenAPI document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document(pub Value);

/// A function that visits one schema, with its JSON pointer.
pub type SchemaVisitor<'a> = dyn FnMut(&str, &mut Value) -> Result<(), Error> + 'a;

const SCHEMA_MAPS: [&str; 3] = ["properties", "patternProperties", "$defs"];
const SCHEMA_LISTS: [&str; 4] = ["oneOf", "anyOf", "allOf", "prefixItems"];
const SCHEMAS: [&str; 5] = ["items", "additionalProperties", "not", "propertyNames", "contains"];
/// Keys of maps whose keys are names, and never keywords.
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
/// Keywords whose value may look like a schema, but is not one.
const OPAQUE: [&str; 5] = ["example", "examples", "default", "enum", "const"];

impl Document {
    /// Returns the document and leaves an empty one, for a stage that replaces it.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Returns the component schemas.
    pub fn schemas(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten()
    }

    /// Returns a component schema.
    pub fn schema(&self, name: &str) -> Option<&Value> {
        self.0.pointer("/components/schemas")?.get(name)
    }

    /// Returns the component schemas, mutably.
    pub fn schemas_mut(&mut self) -> Option<&mut Map<String, Value>> {
        self.0.pointer_mut("/components/schemas")?.as_object_mut()
    }

    /// Resolves a reference within the document.
    pub fn resolve(&self, reference: &str) -> Option<&Value> {
        self.0.pointer(reference.strip_prefix('#')?)
    }

    /// Returns the operations, with path and method, in the order of the document.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.0.get("paths").and_then(Value::as_object).into_iter().flatten();
        paths.flat_map(|(path, item)| {
            let entries = item.as_object().into_iter().flatten();
            let operations = entries.filter(|(key, _)| is_method(key));
            operations.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
        })
    }

    /// Returns the operations, mutably.
    pub fn operations_mut(&mut self) -> impl Iterator<Item = (&str, &str, &mut Value)> {
        let paths = self.0.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
        paths.flat_map(|(path, item)| {
            let entries = item.as_object_mut().into_iter().flatten();
            let operations = entries.filter(|(key, _)| is_method(key));
            operations.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
        })
    }

    /// Returns the components of a kind, such as `responses`, mutably.
    pub fn components_mut(&mut self, kind: &str) -> impl Iterator<Item = (&String, &mut Value)> {
        let components = self.0.get_mut("components").and_then(|all| all.get_mut(kind));
        components.and_then(Value::as_object_mut).into_iter().flatten()
    }

    /// Resolves a reference object. Returns any other value unchanged.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let reference = value.get("$ref").and_then(Value::as_str);
        reference.and_then(|reference| self.resolve(reference)).unwrap_or(value)
    }

    /// Visits every schema, inner schemas first.
    pub fn visit_schemas(&mut self, visit: &mut SchemaVisitor<'_>) -> Result<(), Error> {
        visit_entries(&mut self.0, &mut String::new(), false, visit)
    }

    /// Returns all references: the JSON pointer of each `$ref`, and its target.
    pub fn references(&self) -> Vec<(String, String)> {
        let mut references = Vec::new();
        collect_references(&self.0, &mut String::new(), false, &mut references);
        references
    }

    /// Returns the targets of all references in a value.
    pub fn references_in(value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        collect_references(value, &mut String::new(), false, &mut found);
        found.into_iter().map(|(_, target)| target).collect()
    }

    /// Returns the component schemas that are referred to, other than by a component union that
    /// lists them as alternatives.
    pub fn references_outside_unions(&self) -> BTreeSet<String> {
        // What an alternative's list or map contains is not an alternative.
        let within_union = |pointer: &str| {
            let path = pointer.strip_prefix("/components/schemas/");
            path.and_then(|path| path.split_once('/')).is_some_and(|(_, rest)| {
                (rest.starts_with("oneOf/") || rest.starts_with("anyOf/"))
                    && !rest.split('/').any(|key| key == "items" || key == "additionalProperties")
            })
        };
        self.references()
            .iter()
            .filter(|(pointer, _)| !within_union(pointer))
            .filter_map(|(_, target)| schema_name(target).map(str::to_owned))
            .collect()
    }

    /// Returns the targets of all references from a value, direct and indirect.
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

/// The keys of a path item that are operations.
pub const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Returns whether a key of a path item is an HTTP method.
pub fn is_method(key: &str) -> bool {
    METHODS.contains(&key)
}

/// Returns the component schema that a reference names.
pub fn schema_name(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/components/schemas/")
}

/// Returns the reference that a value is, with or without other keywords.
pub fn reference(value: &Value) -> Option<&str> {
    let beside = || match list(value, "allOf") {
        [only] => only.get("$ref"),
        _ => None,
    };
    value.get("$ref").or_else(beside)?.as_str()
}

/// Returns the component that a schema is a reference to, with or without other keywords.
pub fn target(schema: &Value) -> Option<&str> {
    reference(schema).and_then(schema_name)
}

/// Resolves a schema that is a reference to a component.
pub fn resolve_schema<'a>(document: &'a Document, schema: &'a Value) -> &'a Value {
    target(schema).and_then(|name| document.schema(name)).unwrap_or(schema)
}

/// Returns the type of a schema, if it has one.
pub fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type").and_then(Value::as_str) {
        Some(kind) => Some(kind),
        None if schema.get("properties").is_some() => Some("object"),
        None if schema.get("items").is_some() => Some("array"),
        None => None,
    }
}

/// Returns whether a keyword is true.
pub fn is_true(value: &Value, keyword: &str) -> bool {
    value.get(keyword) == Some(&Value::Bool(true))
}

/// Returns whether a schema requires a property.
pub fn is_required(schema: &Value, property: &str) -> bool {
    let names = schema.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|name| name == property))
}

/// Returns the schemas in the list of a keyword, such as `allOf`.
pub fn list<'a>(schema: &'a Value, keyword: &str) -> &'a [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the alternatives of a union.
pub fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    list(schema, "oneOf").iter().chain(list(schema, "anyOf"))
}

/// Returns whether an alternative only requires properties. Such alternatives are a limit, and not
/// a union.
pub fn is_only_required(alternative: &Value) -> bool {
    alternative.as_object().is_some_and(|keywords| keywords.keys().all(|key| key == "required"))
}

/// Creates a reference to a component schema.
pub fn reference_to(name: &str) -> Value {
    serde_json::json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Converts a name to the form of Rust types and variants. Letters that are not valid in
/// identifiers become their code points, so that different names stay different.
pub fn rust_name(name: &str) -> String {
    let spelled = name.replace(['.', '[', ']', '*', '/', ':'], " ").to_upper_camel_case();
    // `to_upper_camel_case` keeps letters that identifiers may not have.
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

/// Returns the name of the method that progenitor generates for an operation ID.
pub fn method_name(operation_id: &str) -> String {
    operation_id.replace(|letter: char| !letter.is_alphanumeric(), "_").to_snake_case()
}

/// Returns the description of a schema.
pub fn description(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str).map(str::trim)
}

/// Appends a token to a JSON pointer, and returns the previous length.
pub fn push(pointer: &mut String, token: &str) -> usize {
    let before = pointer.len();
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
    before
}

/// Appends tokens to a JSON pointer.
pub fn below(pointer: &str, tokens: &[&str]) -> String {
    let mut pointer = pointer.to_owned();
    for token in tokens {
        push(&mut pointer, token);
    }
    pointer
}

/// Returns whether a type contains another one, directly or not.
pub fn contains(contents: &BTreeMap<String, BTreeSet<String>>, outer: &str, inner: &str) -> bool {
    let mut visited = BTreeSet::new();
    let mut open = vec![outer];
    while let Some(name) = open.pop() {
        for next in contents.get(name).into_iter().flatten() {
            if next == inner {
                return true;
            }
            if visited.insert(next) {
                open.push(next);
            }
        }
    }
    false
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
                    visit_each(inner.as_object_mut().into_iter().flatten(), pointer, visit)?;
                } else {
                    let names = !names && NAMES.contains(&key.as_str());
                    visit_entries(inner, pointer, names, visit)?;
                }
                pointer.truncate(before);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let before = push(pointer, &index.to_string());
                visit_entries(item, pointer, false, visit)?;
                pointer.truncate(before);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Extensions may contain anything, too.
fn is_opaque(key: &str) -> bool {
    OPAQUE.contains(&key) || key.starts_with("x-")
}

fn visit_each<'a, K: ToString>(
    schemas: impl IntoIterator<Item = (K, &'a mut Value)>,
    pointer: &mut String,
    visit: &mut SchemaVisitor<'_>,
) -> Result<(), Error> {
    for (key, schema) in schemas {
        let before = push(pointer, &key.to_string());
        visit_schema(schema, pointer, visit)?;
        pointer.truncate(before);
    }
    Ok(())
}

/// Visits a schema, inner schemas first.
pub fn visit_schema(
    schema: &mut Value,
    pointer: &mut String,
    visit: &mut SchemaVisitor<'_>,
) -> Result<(), Error> {
    if let Value::Object(map) = schema {
        for (key, inner) in map {
            let before = push(pointer, key);
            match inner {
                Value::Object(schemas) if SCHEMA_MAPS.contains(&key.as_str()) => {
                    visit_each(schemas, pointer, visit)?;
                }
                Value::Object(_) if SCHEMAS.contains(&key.as_str()) => {
                    visit_schema(inner, pointer, visit)?;
                }
                Value::Array(items) if SCHEMA_LISTS.contains(&key.as_str()) => {
                    visit_each(items.iter_mut().enumerate(), pointer, visit)?;
                }
                _ => {}
            }
            pointer.truncate(before);
        }
    }
    visit(pointer, schema)
}

/// Collects references. With `names`, the keys of `value` are names, so `$ref` is not a keyword.
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
