//! Edits of a document, as a maintainer or a vendor makes them.

use proptest::sample::Index;
use serde_json::{Map, Value, json};

use crate::robustness::collect_pointers;

/// An edit of one place of a document. It returns whether the place could be edited.
type Edit = fn(&mut Value) -> bool;

/// The edits of a value, with the kind of place that they apply to.
const EDITS: [(Place, Edit); 19] = [
    (Place::Property, remove_type),
    (Place::Property, |property| replace(property, "type", json!("integer"))),
    (Place::Property, |property| replace(property, "type", json!("string"))),
    (Place::Property, |property| replace(property, "maximum", json!(7))),
    (Place::Property, |property| replace(property, "minimum", json!(0))),
    (Place::Property, |property| replace(property, "default", json!("x"))),
    (Place::Property, |property| replace(property, "description", json!("Another text."))),
    (Place::Property, |property| replace(property, "deprecated", json!(true))),
    (Place::Property, toggle_null),
    (Place::Schema, |schema| replace(schema, "title", json!("AnotherTitle"))),
    (Place::Schema, remove_property),
    (Place::Schema, add_property),
    (Place::Schema, |schema| toggle_required(schema, 0)),
    (Place::Schema, |schema| toggle_required(schema, 1)),
    (Place::Schema, |schema| rotate(schema, "properties")),
    (Place::Schema, add_value),
    (Place::Schema, remove_value),
    (Place::Operation, |operation| replace(operation, "operationId", json!("anotherName"))),
    (Place::Operation, add_parameter),
];

/// The number of kinds of edits: those of a value, and three of the whole document.
pub(super) const KINDS: usize = EDITS.len() + 3;

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Schema,
    Property,
    Operation,
}

impl Place {
    fn contains(self, pointer: &str) -> bool {
        let parts: Vec<&str> = pointer.split('/').collect();
        match (self, parts.as_slice()) {
            (Self::Schema, ["", "components", "schemas", _]) => true,
            (Self::Property, ["", "components", "schemas", _, "properties", _]) => true,
            (Self::Operation, ["", "paths", _, method]) => *method != "parameters",
            _ => false,
        }
    }
}

/// Edits a document. The edit may not apply to the place, and then changes nothing.
pub(super) fn edit(document: &mut Value, kind: usize, index: &Index) {
    match kind.checked_sub(EDITS.len()) {
        None => {
            let (place, edit) = EDITS[kind];
            let mut pointers = Vec::new();
            collect_pointers(document, "", &mut pointers);
            pointers.retain(|pointer| place.contains(pointer));
            let pointer: &String = index.get(&pointers);
            edit(document.pointer_mut(pointer).unwrap());
        }
        Some(0) => rename_any_component(document, index),
        Some(1) => {
            let paths = document["paths"].as_object_mut().unwrap();
            let names: Vec<String> = paths.keys().cloned().collect();
            paths.shift_remove(index.get(&names));
        }
        Some(_) => {
            rotate(document, "paths");
        }
    }
}

fn rename_any_component(document: &mut Value, index: &Index) {
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let names: Vec<&String> = schemas.keys().collect();
    let name = (*index.get(&names)).clone();
    rename_component(document, &name, &format!("Another{name}"));
}

/// Renames a component schema, and all references to it.
pub(crate) fn rename_component(document: &mut Value, from: &str, to: &str) {
    let text = document.to_string();
    let reference = |name: &str| format!("\"#/components/schemas/{name}\"");
    let text = text.replace(&reference(from), &reference(to));
    *document = serde_json::from_str(&text).unwrap();
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    let renamed = std::mem::take(schemas)
        .into_iter()
        .map(|(name, schema)| (if name == from { to.to_owned() } else { name }, schema));
    *schemas = renamed.collect();
}

fn replace(value: &mut Value, key: &str, new: Value) -> bool {
    let Some(map) = value.as_object_mut() else { return false };
    map.insert(key.to_owned(), new);
    true
}

fn remove_type(property: &mut Value) -> bool {
    property.as_object_mut().is_some_and(|map| map.shift_remove("type").is_some())
}

fn toggle_null(property: &mut Value) -> bool {
    let toggled = match property.get("type") {
        Some(Value::String(name)) => json!([name, "null"]),
        Some(Value::Array(names)) => names[0].clone(),
        _ => return false,
    };
    replace(property, "type", toggled)
}

fn properties(schema: &mut Value) -> Option<&mut Map<String, Value>> {
    schema.get_mut("properties")?.as_object_mut()
}

fn remove_property(schema: &mut Value) -> bool {
    let Some(properties) = properties(schema) else { return false };
    let Some(last) = properties.keys().next_back().cloned() else { return false };
    properties.shift_remove(&last);
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| *name != last.as_str());
    }
    true
}

fn add_property(schema: &mut Value) -> bool {
    let Some(properties) = properties(schema) else { return false };
    properties.insert("another".to_owned(), json!({ "type": "string", "enum": ["a", "b"] }));
    true
}

/// Makes a property required, or no longer required.
fn toggle_required(schema: &mut Value, position: usize) -> bool {
    let Some(properties) = properties(schema) else { return false };
    let Some(name) = properties.keys().nth(position).cloned() else { return false };
    let mut required = schema.get("required").cloned().unwrap_or_else(|| json!([]));
    let names = required.as_array_mut().unwrap();
    match names.iter().position(|present| *present == name.as_str()) {
        Some(at) => drop(names.remove(at)),
        None => names.push(json!(name)),
    }
    replace(schema, "required", required)
}

/// Moves the first entry to the end.
fn rotate(value: &mut Value, key: &str) -> bool {
    let Some(map) = value.get_mut(key).and_then(Value::as_object_mut) else { return false };
    let Some(first) = map.keys().next().cloned() else { return false };
    let entry = map.shift_remove(&first).unwrap();
    map.insert(first, entry);
    true
}

fn values(schema: &mut Value) -> Option<&mut Vec<Value>> {
    schema.get_mut("enum")?.as_array_mut()
}

fn add_value(schema: &mut Value) -> bool {
    values(schema).map(|values| values.push(json!("another"))).is_some()
}

fn remove_value(schema: &mut Value) -> bool {
    values(schema).and_then(Vec::pop).is_some()
}

fn add_parameter(operation: &mut Value) -> bool {
    let parameter = json!({ "name": "another", "in": "query", "schema": { "type": "string" } });
    let mut parameters = operation.get("parameters").cloned().unwrap_or_else(|| json!([]));
    parameters.as_array_mut().unwrap().push(parameter);
    replace(operation, "parameters", parameters)
}
