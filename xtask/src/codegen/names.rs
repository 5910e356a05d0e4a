//! Step 5, name: enums, unions and objects that stand within another schema become components.
//! What has a name can be replaced by a type of our own, and what stands in several places in the
//! same words becomes one type.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::document::{Document, description, is_method, reference_to, rust_name};
use super::error::Error;

/// Marks a component that stood within another one.
pub const INLINE: &str = "x-inline";

/// Gives every inline string enum, union and object a component of its own, named after the place
/// where it stood first: property `status` of `Run` becomes `RunStatus`, parameter `order` of
/// `listRuns` becomes `ListRunsOrder`. One that only tells what an object is, as `object: list`
/// does, is named after what it says, `ListObject`.
pub fn name_inline_types(mut document: Document) -> Result<Document, Error> {
    if let Some(root) = document.0.as_object_mut() {
        root.entry("components").or_insert_with(|| json!({}));
    }
    let taken = document.schemas().map(|(name, _)| rust_name(name)).collect();
    let mut names = Names { taken, known: Vec::new(), found: Vec::new() };
    if let Some(paths) = document.0.get_mut("paths").and_then(Value::as_object_mut) {
        for (_, item) in paths {
            names.within_path_item(item);
        }
    }
    names.within_shared(&mut document);
    let schemas = document.0.get_mut("components").and_then(Value::as_object_mut);
    let schemas =
        schemas.map(|components| components.entry("schemas").or_insert_with(|| json!({})));
    let Some(schemas) = schemas.and_then(Value::as_object_mut) else { return Ok(document) };
    let mut named = Map::new();
    for (name, mut schema) in std::mem::take(schemas) {
        names.within(&rust_name(&name), &mut schema);
        named.insert(name, schema);
        named.extend(names.found.drain(..));
    }
    named.extend(names.found);
    *schemas = named;
    Ok(document)
}

struct Names {
    taken: BTreeSet<String>,
    /// What was moved out so far, without what is said about its place.
    known: Vec<(Value, String)>,
    /// What was moved out since the last component.
    found: Vec<(String, Value)>,
}

impl Names {
    fn within_path_item(&mut self, item: &mut Value) {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if !is_method(method) {
                continue;
            }
            let id = operation.get("operationId").and_then(Value::as_str).map(rust_name);
            let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                let name = parameter.get("name").and_then(Value::as_str).map(rust_name);
                let (Some(id), Some(name)) = (&id, name) else { continue };
                if let Some(schema) = parameter.get_mut("schema") {
                    self.place(&format!("{id}{name}"), schema);
                }
            }
            if let Some(id) = &id {
                self.within_body(&format!("{id}Body"), operation.get_mut("requestBody"));
                let replies = operation.get_mut("responses").and_then(Value::as_object_mut);
                for reply in replies.into_iter().flat_map(Map::values_mut) {
                    self.within_body(&format!("{id}Response"), Some(reply));
                }
            }
        }
    }

    /// What operations share: parameters and bodies that stand among the components.
    fn within_shared(&mut self, document: &mut Document) {
        let Some(components) = document.0.get_mut("components") else { return };
        let mut each = |kind: &str, visit: &mut dyn FnMut(String, &mut Value)| {
            let entries = components.get_mut(kind).and_then(Value::as_object_mut);
            for (name, entry) in entries.into_iter().flatten() {
                visit(rust_name(name), entry);
            }
        };
        each("parameters", &mut |name, parameter| {
            if let Some(schema) = parameter.get_mut("schema") {
                self.place(&name, schema);
            }
        });
        each("requestBodies", &mut |name, body| {
            self.within_body(&format!("{name}Body"), Some(body));
        });
        each("responses", &mut |name, reply| {
            self.within_body(&format!("{name}Response"), Some(reply));
        });
    }

    /// The generator names a body after its operation; what is within one is ours to name.
    fn within_body(&mut self, name: &str, body: Option<&mut Value>) {
        let content = body.and_then(|body| body.get_mut("content")?.as_object_mut());
        for media in content.into_iter().flat_map(Map::values_mut) {
            let Some(schema) = media.get_mut("schema") else { continue };
            if is_string_enum(schema) || is_union(schema) {
                self.place(name, schema);
            } else {
                self.within(name, schema);
            }
        }
    }

    /// Looks through a schema that has a name, or needs none.
    fn within(&mut self, parent: &str, schema: &mut Value) {
        for key in ["oneOf", "anyOf"] {
            let alternatives = schema.get_mut(key).and_then(Value::as_array_mut);
            for (index, alternative) in alternatives.into_iter().flatten().enumerate() {
                self.alternative(parent, index, alternative);
            }
        }
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (property, inner) in properties.into_iter().flatten() {
            self.place(&format!("{parent}{}", rust_name(property)), inner);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get_mut(key).filter(|inner| inner.is_object()) {
                self.place(&format!("{parent}Item"), inner);
            }
        }
    }

    /// An object of a union gets a name. The events of a stream do not: each is a name and its
    /// data, and becomes no type.
    fn alternative(&mut self, parent: &str, index: usize, alternative: &mut Value) {
        let property = |name: &str| alternative.pointer(&format!("/properties/{name}"));
        let event = property("event").is_some() && property("data").is_some();
        let constant = |name: &str| property(name)?.pointer("/enum/0")?.as_str();
        let tag = ["type", "object", "event"].into_iter().find_map(constant);
        let title = alternative.get("title").and_then(Value::as_str);
        let own = title.or(tag).map_or_else(|| (index + 1).to_string(), rust_name);
        let name = format!("{parent}{own}");
        self.within(&name, alternative);
        if !event && alternative.get("properties").is_some() {
            self.move_out(&name, alternative, false);
        }
    }

    fn place(&mut self, name: &str, schema: &mut Value) {
        self.within(name, schema);
        if is_string_enum(schema) || is_union(schema) || schema.get("properties").is_some() {
            self.move_out(name, schema, true);
        }
    }

    /// Puts a reference in a schema's place. What is said about the place stays there, where
    /// something may stand beside a reference.
    fn move_out(&mut self, name: &str, schema: &mut Value, beside: bool) {
        let mut place = Map::new();
        if let Some(nullable) = schema.as_object_mut().and_then(|map| map.remove("nullable")) {
            place.insert("nullable".to_owned(), nullable);
        }
        if let (true, Some(text)) = (beside, description(schema)) {
            place.insert("description".to_owned(), text.into());
        }
        let mut moved = schema.take();
        if let Some(map) = moved.as_object_mut() {
            map.insert(INLINE.to_owned(), true.into());
        }
        let target = reference_to(&self.component(name, moved));
        *schema = if place.is_empty() {
            target
        } else {
            place.insert("allOf".to_owned(), json!([target]));
            Value::Object(place)
        };
    }

    /// The component for what was moved out: one in the same words, or a new one.
    fn component(&mut self, name: &str, moved: Value) -> String {
        let mut words = moved.clone();
        if let Some(map) = words.as_object_mut() {
            map.remove("description");
            map.remove("title");
        }
        if let Some((_, same)) = self.known.iter().find(|(known, _)| *known == words) {
            return same.clone();
        }
        let name = match moved.get("enum").and_then(Value::as_array).map(Vec::as_slice) {
            Some([Value::String(value)]) => self.unique(&constant_name(name, value), name),
            _ => self.unique(name, name),
        };
        self.known.push((words, name.clone()));
        self.found.push((name.clone(), moved));
        name
    }

    fn unique(&mut self, wanted: &str, otherwise: &str) -> String {
        if self.taken.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let mut unique = otherwise.to_owned();
        let mut number = 2;
        while !self.taken.insert(unique.clone()) {
            unique = format!("{otherwise}{number}");
            number += 1;
        }
        unique
    }
}

/// The name of an enum of one value: the value, and the property that has it.
fn constant_name(place: &str, value: &str) -> String {
    let property =
        ["Object", "Type", "Event"].into_iter().find(|property| place.ends_with(property));
    property.map_or_else(|| place.to_owned(), |property| format!("{}{property}", rust_name(value)))
}

/// Whether a schema is a list of strings to choose from.
pub fn is_string_enum(schema: &Value) -> bool {
    schema
        .get("enum")
        .and_then(Value::as_array)
        .is_some_and(|values| !values.is_empty() && values.iter().all(Value::is_string))
}

/// Whether a schema is a choice between others.
pub fn is_union(schema: &Value) -> bool {
    ["oneOf", "anyOf"].iter().any(|key| schema.get(key).is_some())
}
