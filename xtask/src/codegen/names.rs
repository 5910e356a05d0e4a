//! Stage `names`: makes components of inline enums, unions and objects. A component can be replaced
//! by a type of ours, and equal inline schemas become one type.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::document::{Document, description, reference_to, rust_name};
use super::error::Error;

/// Marks a component that was an inline schema.
pub const INLINE: &str = "x-inline";

/// Makes a component of every inline string enum, union and object. It is named after its first
/// location: property `status` of `Run` becomes `RunStatus`, parameter `order` of `listRuns`
/// becomes `ListRunsOrder`. A constant such as `object: list` is named after its value,
/// `ListObject`.
pub fn name_inline_types(mut document: Document) -> Result<Document, Error> {
    if let Some(root) = document.0.as_object_mut() {
        root.entry("components").or_insert_with(|| json!({}));
    }
    let taken = Names(document.schemas().map(|(name, _)| rust_name(name)).collect());
    let mut names = Extraction { taken, extracted: Vec::new(), new: Vec::new() };
    for (_, _, operation) in document.operations_mut() {
        names.visit_operation(operation);
    }
    for (name, parameter) in document.components_mut("parameters") {
        if let Some(schema) = parameter.get_mut("schema") {
            names.visit_schema(&rust_name(name), schema);
        }
    }
    for (name, body) in document.components_mut("requestBodies") {
        names.visit_body(&format!("{}Body", rust_name(name)), Some(body));
    }
    for (name, response) in document.components_mut("responses") {
        names.visit_body(&format!("{}Response", rust_name(name)), Some(response));
    }
    let schemas = document.0.get_mut("components").and_then(Value::as_object_mut);
    let schemas =
        schemas.map(|components| components.entry("schemas").or_insert_with(|| json!({})));
    let Some(schemas) = schemas.and_then(Value::as_object_mut) else { return Ok(document) };
    let mut named = Map::new();
    for (name, mut schema) in std::mem::take(schemas) {
        names.visit_inner(&rust_name(&name), &mut schema);
        named.insert(name, schema);
        named.extend(names.new.drain(..));
    }
    named.extend(names.new);
    *schemas = named;
    Ok(document)
}

struct Extraction {
    taken: Names,
    /// The extracted schemas without their descriptions, and their names.
    extracted: Vec<(Value, String)>,
    /// The schemas extracted since the last component.
    new: Vec<(String, Value)>,
}

impl Extraction {
    fn visit_operation(&mut self, operation: &mut Value) {
        let Some(id) = operation.get("operationId").and_then(Value::as_str).map(rust_name) else {
            return;
        };
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let Some(name) = parameter.get("name").and_then(Value::as_str).map(rust_name) else {
                continue;
            };
            if let Some(schema) = parameter.get_mut("schema") {
                self.visit_schema(&format!("{id}{name}"), schema);
            }
        }
        self.visit_body(&format!("{id}Body"), operation.get_mut("requestBody"));
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for response in responses.into_iter().flat_map(Map::values_mut) {
            self.visit_body(&format!("{id}Response"), Some(response));
        }
    }

    /// Visits a body. Progenitor names the type of an inline object; schemas inside it get their
    /// names here.
    fn visit_body(&mut self, name: &str, body: Option<&mut Value>) {
        let content = body.and_then(|body| body.get_mut("content")?.as_object_mut());
        for media in content.into_iter().flat_map(Map::values_mut) {
            let Some(schema) = media.get_mut("schema") else { continue };
            if is_string_enum(schema) || is_union(schema) {
                self.visit_schema(name, schema);
            } else {
                self.visit_inner(name, schema);
            }
        }
    }

    /// Visits the inner schemas of a schema that has a name, or needs none.
    fn visit_inner(&mut self, parent: &str, schema: &mut Value) {
        for key in ["oneOf", "anyOf"] {
            let alternatives = schema.get_mut(key).and_then(Value::as_array_mut);
            for (index, alternative) in alternatives.into_iter().flatten().enumerate() {
                self.extract_alternative(parent, index, alternative);
            }
        }
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (property, inner) in properties.into_iter().flatten() {
            self.visit_schema(&format!("{parent}{}", rust_name(property)), inner);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get_mut(key).filter(|inner| inner.is_object()) {
                self.visit_schema(&format!("{parent}Item"), inner);
            }
        }
    }

    /// Extracts an object of a union. The events of a stream are not extracted: each is a name with
    /// data, and becomes a variant without a type of its own.
    fn extract_alternative(&mut self, parent: &str, index: usize, alternative: &mut Value) {
        let property = |name: &str| alternative.pointer(&format!("/properties/{name}"));
        let event = property("event").is_some() && property("data").is_some();
        let constant = |name: &str| property(name)?.pointer("/enum/0")?.as_str();
        let tag = ["type", "object", "event"].into_iter().find_map(constant);
        let title = alternative.get("title").and_then(Value::as_str);
        let own = title.or(tag).map_or_else(|| (index + 1).to_string(), rust_name);
        let name = format!("{parent}{own}");
        self.visit_inner(&name, alternative);
        if !event && alternative.get("properties").is_some() {
            self.extract(&name, alternative, false);
        }
    }

    fn visit_schema(&mut self, name: &str, schema: &mut Value) {
        self.visit_inner(name, schema);
        if is_string_enum(schema) || is_union(schema) || schema.get("properties").is_some() {
            self.extract(name, schema, true);
        }
    }

    /// Replaces a schema by a reference to a component. `nullable` stays at the reference, and with
    /// `keep_description` the description does, too.
    fn extract(&mut self, name: &str, schema: &mut Value, keep_description: bool) {
        let mut outer = Map::new();
        if let Some(nullable) = schema.as_object_mut().and_then(|map| map.remove("nullable")) {
            outer.insert("nullable".to_owned(), nullable);
        }
        if let (true, Some(text)) = (keep_description, description(schema)) {
            outer.insert("description".to_owned(), text.into());
        }
        let mut moved = schema.take();
        if let Some(map) = moved.as_object_mut() {
            map.insert(INLINE.to_owned(), true.into());
        }
        let target = reference_to(&self.component(name, moved));
        *schema = if outer.is_empty() {
            target
        } else {
            outer.insert("allOf".to_owned(), json!([target]));
            Value::Object(outer)
        };
    }

    /// Returns the component for an extracted schema: an equal one, or a new one.
    fn component(&mut self, name: &str, moved: Value) -> String {
        let mut bare = moved.clone();
        if let Some(map) = bare.as_object_mut() {
            map.remove("description");
            map.remove("title");
        }
        let mut extracted = self.extracted.iter();
        if let Some((_, name)) = extracted.find(|(schema, _)| *schema == bare) {
            return name.clone();
        }
        let name = match moved.get("enum").and_then(Value::as_array).map(Vec::as_slice) {
            Some([Value::String(value)]) => self.taken.distinct(&constant_name(name, value), name),
            _ => self.taken.distinct(name, name),
        };
        self.extracted.push((bare, name.clone()));
        self.new.push((name.clone(), moved));
        name
    }
}

/// Returns the name of a constant: its value and its property.
fn constant_name(location: &str, value: &str) -> String {
    let property =
        ["Object", "Type", "Event"].into_iter().find(|property| location.ends_with(property));
    property
        .map_or_else(|| location.to_owned(), |property| format!("{}{property}", rust_name(value)))
}

/// Returns whether a schema is a list of string values.
pub fn is_string_enum(schema: &Value) -> bool {
    schema
        .get("enum")
        .and_then(Value::as_array)
        .is_some_and(|values| !values.is_empty() && values.iter().all(Value::is_string))
}

/// Returns whether a schema is a union.
pub fn is_union(schema: &Value) -> bool {
    ["oneOf", "anyOf"].iter().any(|key| schema.get(key).is_some())
}

/// Names that are in use.
#[derive(Default)]
pub struct Names(pub BTreeSet<String>);

impl Names {
    /// Returns `name` if it is not in use. Else returns `base` with the first number that makes it
    /// distinct, from 2.
    pub fn distinct(&mut self, name: &str, base: &str) -> String {
        if self.0.insert(name.to_owned()) {
            return name.to_owned();
        }
        let mut distinct = base.to_owned();
        let mut number = 2;
        while !self.0.insert(distinct.clone()) {
            distinct = format!("{base}{number}");
            number += 1;
        }
        distinct
    }
}
