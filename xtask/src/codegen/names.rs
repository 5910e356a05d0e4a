//! Stage `names`: makes components of inline enums, unions and objects. A component can be replaced
//! by a type of ours, and equal inline schemas become one type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::document::{Document, description, list, push, reference_to, rust_name};
use super::error::Error;

/// Marks a component that was an inline schema, with its JSON pointer.
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
    let (extracted, new, pointer) = Default::default();
    let mut names = Extraction { taken, extracted, new, pointer };
    for (path, method, operation) in document.operations_mut() {
        names.at(&["paths", path, method], |names| names.visit_operation(operation));
    }
    for (name, parameter) in document.components_mut("parameters") {
        if let Some(schema) = parameter.get_mut("schema") {
            names.at(&["components", "parameters", name, "schema"], |names| {
                names.visit_schema(&rust_name(name), schema);
            });
        }
    }
    for (kind, suffix) in [("requestBodies", "Body"), ("responses", "Response")] {
        for (name, body) in document.components_mut(kind) {
            names.at(&["components", kind, name], |names| {
                names.visit_body(&format!("{}{suffix}", rust_name(name)), Some(body));
            });
        }
    }
    let schemas = document.0.get_mut("components").and_then(Value::as_object_mut);
    let schemas =
        schemas.map(|components| components.entry("schemas").or_insert_with(|| json!({})));
    let Some(schemas) = schemas.and_then(Value::as_object_mut) else { return Ok(document) };
    let mut named = Map::new();
    for (name, mut schema) in std::mem::take(schemas) {
        names.at(&["components", "schemas", &name], |names| {
            names.visit_inner(&rust_name(&name), &mut schema);
        });
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
    /// The JSON pointer to what is visited.
    pointer: String,
}

/// Returns the JSON pointers of the components that were inline schemas.
pub fn origins(document: &Document) -> BTreeMap<String, String> {
    let inline = document.schemas().filter_map(|(name, schema)| {
        Some((name.clone(), schema.get(INLINE)?.as_str()?.to_owned()))
    });
    inline.collect()
}

impl Extraction {
    /// Calls a function with the pointer to something inside.
    fn at(&mut self, tokens: &[&str], visit: impl FnOnce(&mut Self)) {
        let before = self.pointer.len();
        for token in tokens {
            push(&mut self.pointer, token);
        }
        visit(self);
        self.pointer.truncate(before);
    }

    fn visit_operation(&mut self, operation: &mut Value) {
        let Some(id) = operation.get("operationId").and_then(Value::as_str).map(rust_name) else {
            return;
        };
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for (index, parameter) in parameters.into_iter().flatten().enumerate() {
            let Some(name) = parameter.get("name").and_then(Value::as_str).map(rust_name) else {
                continue;
            };
            if let Some(schema) = parameter.get_mut("schema") {
                self.at(&["parameters", &index.to_string(), "schema"], |names| {
                    names.visit_schema(&format!("{id}{name}"), schema);
                });
            }
        }
        self.at(&["requestBody"], |names| {
            names.visit_body(&format!("{id}Body"), operation.get_mut("requestBody"));
        });
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for (status, response) in responses.into_iter().flatten() {
            self.at(&["responses", status], |names| {
                names.visit_body(&format!("{id}Response"), Some(response));
            });
        }
    }

    /// Visits a body. Progenitor names the type of an inline object; schemas inside it get their
    /// names here.
    fn visit_body(&mut self, name: &str, body: Option<&mut Value>) {
        let content = body.and_then(|body| body.get_mut("content")?.as_object_mut());
        for (media_type, media) in content.into_iter().flatten() {
            let Some(schema) = media.get_mut("schema") else { continue };
            self.at(&["content", media_type, "schema"], |names| {
                if is_string_enum(schema) || is_union(schema) {
                    names.visit_schema(name, schema);
                } else {
                    names.visit_inner(name, schema);
                }
            });
        }
    }

    /// Visits the inner schemas of a schema that has a name, or needs none.
    fn visit_inner(&mut self, parent: &str, schema: &mut Value) {
        for key in ["oneOf", "anyOf"] {
            let alternatives = schema.get_mut(key).and_then(Value::as_array_mut);
            for (index, alternative) in alternatives.into_iter().flatten().enumerate() {
                self.at(&[key, &index.to_string()], |names| {
                    names.extract_alternative(parent, alternative);
                });
            }
        }
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (property, inner) in properties.into_iter().flatten() {
            self.at(&["properties", property], |names| {
                names.visit_schema(&below(parent, &rust_name(property)), inner);
            });
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get_mut(key).filter(|inner| inner.is_object()) {
                let name = Some(item_name(parent)).filter(|name| !self.taken.0.contains(name));
                let name = name.unwrap_or_else(|| format!("{parent}Item"));
                self.at(&[key], |names| names.visit_schema(&name, inner));
            }
        }
    }

    /// Extracts an object of a union. The events of a stream are not extracted: each is a name with
    /// data, and becomes a variant without a type of its own.
    fn extract_alternative(&mut self, parent: &str, alternative: &mut Value) {
        let property = |name: &str| alternative.pointer(&format!("/properties/{name}"));
        let event = property("event").is_some() && property("data").is_some();
        let constant = |name: &str| property(name)?.pointer("/enum/0")?.as_str();
        let all = alternative.get("properties").and_then(Value::as_object);
        let any = || all.into_iter().flatten().find_map(|(_, property)| only_value(property));
        let tag = ["type", "object", "event"].into_iter().find_map(constant).or_else(any);
        let title = alternative.get("title").and_then(Value::as_str);
        let own = match title.or(tag) {
            Some(own) => rust_name(own),
            None => properties_name(alternative),
        };
        let name = alternative_name(parent, &own);
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
            map.insert(INLINE.to_owned(), self.pointer.clone().into());
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
            map.remove(INLINE);
        }
        let mut extracted = self.extracted.iter();
        if let Some((_, name)) = extracted.find(|(schema, _)| *schema == bare) {
            return name.clone();
        }
        let name = match moved.get("enum").and_then(Value::as_array).map(Vec::as_slice) {
            Some([Value::String(value)]) => {
                let constant = constant_name(name, value);
                if self.taken.0.insert(constant.clone()) { constant } else { self.distinct(name) }
            }
            _ => self.distinct(name),
        };
        self.extracted.push((bare, name.clone()));
        self.new.push((name.clone(), moved));
        name
    }

    /// Returns a name that is not in use. A number would not say what differs, and nor does a word;
    /// but a number looks like a part of the name, and changes if the document grows.
    fn distinct(&mut self, name: &str) -> String {
        let mut distinct = name.to_owned();
        while !self.taken.0.insert(distinct.clone()) {
            distinct.push_str("Value");
        }
        distinct
    }
}

/// Returns the name of a property or alternative: words that the name of the parent ends with are not
/// repeated.
fn below(parent: &str, own: &str) -> String {
    if parent.ends_with(own) {
        return format!("{parent}{own}");
    }
    let starts = own.char_indices().skip(1).filter(|(_, letter)| letter.is_uppercase());
    let starts: Vec<usize> = starts.map(|(start, _)| start).collect();
    let repeated = starts.iter().rev().find_map(|start| {
        let (first, rest) = own.split_at_checked(*start)?;
        ends_with_word(parent, first).then_some(rest)
    });
    format!("{parent}{}", repeated.unwrap_or(own))
}

/// Returns the name of an alternative: `ChunkingStrategy` and `AutoChunkingStrategy` have words in common.
fn alternative_name(parent: &str, own: &str) -> String {
    let starts = own.char_indices().skip(1).filter(|(_, letter)| letter.is_uppercase());
    let common = starts.filter_map(|(start, _)| own.get(start..));
    let head = common.filter(|_| !parent.ends_with(own)).find_map(|common| {
        ends_with_word(parent, common).then(|| parent.strip_suffix(common)).flatten()
    });
    head.map_or_else(|| below(parent, own), |head| format!("{head}{own}"))
}

/// Returns whether a name ends with these words, and has others before them.
fn ends_with_word(name: &str, words: &str) -> bool {
    words.starts_with(|first: char| first.is_uppercase())
        && name.strip_suffix(words).is_some_and(|head| !head.is_empty())
}

/// Returns the name of an item of a list or map: the singular of the list's name.
fn item_name(list: &str) -> String {
    for (plural, singular) in
        [("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("s", "")]
    {
        if let Some(stem) = list.strip_suffix(plural)
            && !stem.ends_with(['s', 'u', 'i'])
            && stem.len() > 2
        {
            return format!("{stem}{singular}");
        }
    }
    format!("{list}Item")
}

/// Returns the only value that a string may have.
fn only_value(schema: &Value) -> Option<&str> {
    match list(schema, "enum") {
        [Value::String(value)] => Some(value),
        _ => None,
    }
}

/// Returns a name for an object without a title and without a constant: its first required property.
fn properties_name(object: &Value) -> String {
    let required = list(object, "required").first().and_then(Value::as_str);
    let properties = object.get("properties").and_then(Value::as_object);
    let property = required.or_else(|| properties?.keys().next().map(String::as_str));
    property.map_or_else(|| "Object".to_owned(), |name| format!("With{}", rust_name(name)))
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
