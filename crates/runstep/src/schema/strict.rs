//! The strict subset of JSON Schema, which providers can enforce exactly.
//!
//! Every property is required, no others are allowed, and optional values may be null. Constraints
//! without a keyword in the subset are added to the description. Parts that the subset cannot
//! express are reported.

use serde_json::{Map, Value};

use super::SchemaViolation;
use crate::error::join;

/// Constraints that not every provider can enforce.
const CONSTRAINTS: [&str; 13] = [
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "default",
];

/// Keywords without meaning for a model.
const IGNORED: [&str; 7] =
    ["title", "$schema", "$comment", "examples", "deprecated", "readOnly", "writeOnly"];

/// Converts a schema to the strict subset, or returns every part that cannot be converted.
pub(crate) fn to_strict(
    schema: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<SchemaViolation>> {
    let mut conversion = Conversion { violations: Vec::new() };
    let schema = conversion.object(schema, "$");
    if conversion.violations.is_empty() { Ok(schema) } else { Err(conversion.violations) }
}

struct Conversion {
    violations: Vec<SchemaViolation>,
}

impl Conversion {
    fn report(&mut self, path: &str, reason: impl Into<String>) {
        let violation = SchemaViolation { path: path.to_owned(), reason: reason.into() };
        // All variants of an enum have the same path.
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }

    fn schema(&mut self, schema: &Value, path: &str) -> Value {
        match schema {
            Value::Object(schema) => Value::Object(self.object(schema, path)),
            _ => {
                self.report(path, "may be any value");
                Value::Null
            }
        }
    }

    fn object(&mut self, schema: &Map<String, Value>, path: &str) -> Map<String, Value> {
        // A nullable object or array becomes a union with null.
        if let Some(rest) = without_null(schema) {
            return nullable(self.object(&rest, path));
        }
        let mut strict = Map::new();
        let mut notes = Vec::new();
        for (keyword, value) in schema {
            match keyword.as_str() {
                "description" | "type" | "enum" => {
                    strict.insert(keyword.clone(), value.clone());
                }
                "const" => {
                    strict.insert("enum".to_owned(), Value::Array(vec![value.clone()]));
                }
                "$ref" => {
                    strict
                        .insert("anyOf".to_owned(), Value::Array(vec![one("$ref", value.clone())]));
                }
                "items" => {
                    strict.insert(keyword.clone(), self.schema(value, &format!("{path}[*]")));
                }
                "anyOf" | "oneOf" => self.variants(value, path, &mut strict),
                "$defs" => self.definitions(value, &mut strict),
                "format" if !allows_strings(schema) => {}
                _ if CONSTRAINTS.contains(&keyword.as_str()) => notes.push((keyword, value)),
                // Handled after the loop.
                "properties" | "required" | "additionalProperties" => {}
                _ if IGNORED.contains(&keyword.as_str()) => {}
                "prefixItems" => {
                    self.report(path, "is a tuple with items of different types");
                }
                "patternProperties" | "propertyNames" => self.report(path, ARBITRARY_NAMES),
                _ => self.report(path, format!("needs the keyword `{keyword}`")),
            }
        }
        if has_type(schema, "object") {
            self.properties(schema, path, &mut strict);
        }
        self.check_open(schema, &strict, path);
        describe(&mut strict, &notes);
        unwrap_reference(&mut strict);
        strict
    }

    fn properties(
        &mut self,
        schema: &Map<String, Value>,
        path: &str,
        strict: &mut Map<String, Value>,
    ) {
        if !matches!(schema.get("additionalProperties"), None | Some(Value::Bool(false))) {
            self.report(path, ARBITRARY_NAMES);
        }
        if strict.contains_key("anyOf") {
            self.report(path, "has a flattened enum");
        }
        let required = schema.get("required").and_then(Value::as_array);
        let mut properties = Map::new();
        let none = Map::new();
        let described = schema.get("properties").and_then(Value::as_object);
        for (name, property) in described.unwrap_or(&none) {
            let mut property = self.schema(property, &format!("{path}.{name}"));
            if !required.is_some_and(|names| names.iter().any(|required| required == name))
                && let Value::Object(optional) = property
            {
                property = Value::Object(nullable(optional));
            }
            properties.insert(name.clone(), property);
        }
        let names = properties.keys().map(|name| Value::from(name.as_str()));
        strict.insert("required".to_owned(), names.collect());
        strict.insert("properties".to_owned(), Value::Object(properties));
        strict.insert("additionalProperties".to_owned(), Value::Bool(false));
    }

    /// Converts the variants of a union. Those of `oneOf` are disjoint anyway.
    fn variants(&mut self, variants: &Value, path: &str, strict: &mut Map<String, Value>) {
        let mut converted = Vec::new();
        for variant in variants.as_array().map(Vec::as_slice).unwrap_or_default() {
            converted.extend(flattened(self.schema(variant, path)));
        }
        strict.insert("anyOf".to_owned(), Value::Array(converted));
    }

    fn definitions(&mut self, definitions: &Value, strict: &mut Map<String, Value>) {
        let mut converted = Map::new();
        for (name, schema) in definitions.as_object().unwrap_or(&Map::new()) {
            converted.insert(name.clone(), self.schema(schema, &format!("{name}:$")));
        }
        strict.insert("$defs".to_owned(), Value::Object(converted));
    }

    /// Reports schemas that allow any value or any items.
    fn check_open(&mut self, schema: &Map<String, Value>, strict: &Map<String, Value>, path: &str) {
        if !["type", "enum", "anyOf"].iter().any(|keyword| strict.contains_key(*keyword)) {
            self.report(path, "may be any value");
        }
        let is_list = has_type(schema, "array");
        if is_list && !schema.contains_key("items") && !schema.contains_key("prefixItems") {
            self.report(path, "may have any items");
        }
    }
}

const ARBITRARY_NAMES: &str = "has arbitrary property names (a map or a flattened map)";

/// Returns the variants of a schema that consists of a union only.
fn flattened(variant: Value) -> Vec<Value> {
    match variant {
        Value::Object(mut union) if union.len() == 1 => match union.remove("anyOf") {
            Some(Value::Array(variants)) => variants,
            _ => vec![Value::Object(union)],
        },
        variant => vec![variant],
    }
}

/// Returns whether values are strings. For other types, `format` repeats the type.
fn allows_strings(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(|kind| kind == "string"),
        kind => kind.is_some_and(|kind| kind == "string"),
    }
}

/// Returns the schema of a nullable object or array without the null.
fn without_null(schema: &Map<String, Value>) -> Option<Map<String, Value>> {
    let Some(Value::Array(types)) = schema.get("type") else { return None };
    let rest: Vec<&Value> = types.iter().filter(|kind| *kind != "null").collect();
    match rest.as_slice() {
        [kind] if rest.len() < types.len() && (*kind == "object" || *kind == "array") => {
            let mut schema = schema.clone();
            schema.insert("type".to_owned(), (*kind).clone());
            Some(schema)
        }
        _ => None,
    }
}

/// Returns an object with one property.
fn one(name: &str, value: Value) -> Value {
    let mut object = Map::new();
    object.insert(name.to_owned(), value);
    Value::Object(object)
}

fn has_type(schema: &Map<String, Value>, name: &str) -> bool {
    schema.get("type").and_then(Value::as_str) == Some(name)
}

/// Adds null to the allowed values of a schema.
fn nullable(mut schema: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    if let Some(Value::Array(variants)) = schema.get_mut("anyOf") {
        let null = one("type", "null".into());
        if !variants.contains(&null) {
            variants.push(null);
        }
        return schema;
    }
    match schema.get_mut("type") {
        Some(Value::Array(types)) if types.iter().any(|kind| kind == "null") => schema,
        Some(Value::Array(types)) => {
            types.push("null".into());
            schema
        }
        Some(Value::String(kind)) if kind != "object" && kind != "array" => {
            let types = vec![Value::from(kind.as_str()), "null".into()];
            schema.insert("type".to_owned(), Value::Array(types));
            schema
        }
        _ => {
            let description = schema.remove("description");
            let mut either = Map::new();
            let variants = vec![Value::Object(schema), one("type", "null".into())];
            either.insert("anyOf".to_owned(), Value::Array(variants));
            if let Some(text) = description {
                either.insert("description".to_owned(), text);
            }
            either
        }
    }
}

/// Adds constraints to the description.
fn describe(strict: &mut Map<String, Value>, notes: &[(&String, &Value)]) {
    if notes.is_empty() {
        return;
    }
    let notes: Vec<String> = notes
        .iter()
        .map(|(keyword, value)| match value {
            Value::String(text) => format!("{keyword}: {text}"),
            value => format!("{keyword}: {value}"),
        })
        .collect();
    let notes = join(&notes, ", ");
    let description = match strict.get("description").and_then(Value::as_str) {
        Some(text) => format!("{text} ({notes})"),
        None => notes,
    };
    strict.insert("description".to_owned(), Value::String(description));
}

/// Replaces a union of one reference by the reference.
fn unwrap_reference(strict: &mut Map<String, Value>) {
    if strict.len() == 1
        && let Some(Value::Array(variants)) = strict.get("anyOf")
        && let [Value::Object(reference)] = variants.as_slice()
        && reference.contains_key("$ref")
    {
        *strict = reference.clone();
    }
}
