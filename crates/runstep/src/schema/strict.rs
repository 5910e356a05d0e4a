//! The strict subset of JSON Schema, to which a provider can hold a model exactly.
//!
//! Every property is required, no others are allowed, and what was optional may be null instead.
//! What the subset has no keyword for is told to the model in the description, so that it is not
//! lost; what it cannot express at all is named.

use serde_json::{Map, Value, json};

use super::Unfit;

/// Keywords that narrow a value down, which not every provider can enforce.
const NARROWING: [&str; 13] = [
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

/// Keywords that say nothing to a model.
const SILENT: [&str; 7] =
    ["title", "$schema", "$comment", "examples", "deprecated", "readOnly", "writeOnly"];

/// The schema within the strict subset, or every part of it that has no place there.
pub(crate) fn strict(schema: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Unfit>> {
    let mut rewrite = Rewrite { unfit: Vec::new() };
    let schema = rewrite.object(schema, "$");
    if rewrite.unfit.is_empty() { Ok(schema) } else { Err(rewrite.unfit) }
}

struct Rewrite {
    unfit: Vec<Unfit>,
}

impl Rewrite {
    fn refuse(&mut self, path: &str, reason: impl Into<String>) {
        let unfit = Unfit { path: path.to_owned(), reason: reason.into() };
        // A variant of an enum has the same path as the next.
        if !self.unfit.contains(&unfit) {
            self.unfit.push(unfit);
        }
    }

    fn schema(&mut self, schema: &Value, path: &str) -> Value {
        match schema {
            Value::Object(schema) => Value::Object(self.object(schema, path)),
            _ => {
                self.refuse(path, "may be any value");
                Value::Null
            }
        }
    }

    fn object(&mut self, schema: &Map<String, Value>, path: &str) -> Map<String, Value> {
        // An object or list that may be null is said as one of two.
        if let Some(rest) = not_null(schema) {
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
                    strict.insert("enum".to_owned(), json!([value]));
                }
                "$ref" => {
                    strict.insert("anyOf".to_owned(), json!([{ "$ref": value }]));
                }
                "items" => {
                    strict.insert(keyword.clone(), self.schema(value, &format!("{path}[*]")));
                }
                "anyOf" | "oneOf" => self.variants(value, path, &mut strict),
                "$defs" => self.definitions(value, &mut strict),
                "format" if !is_text(schema) => {}
                _ if NARROWING.contains(&keyword.as_str()) => notes.push((keyword, value)),
                // Both belong to what follows the loop.
                "properties" | "required" | "additionalProperties" => {}
                _ if SILENT.contains(&keyword.as_str()) => {}
                "prefixItems" => {
                    self.refuse(path, "is a tuple, whose places have types of their own");
                }
                "patternProperties" | "propertyNames" => self.refuse(path, ANY_NAME),
                _ => self.refuse(path, format!("needs the keyword `{keyword}`")),
            }
        }
        if schema.get("type") == Some(&json!("object")) {
            self.properties(schema, path, &mut strict);
        }
        self.check_said(schema, &strict, path);
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
            self.refuse(path, ANY_NAME);
        }
        if strict.contains_key("anyOf") {
            self.refuse(path, "has an enum flattened into it");
        }
        let required = schema.get("required").and_then(Value::as_array);
        let mut properties = Map::new();
        for (name, property) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let mut property = self.schema(property, &format!("{path}.{name}"));
            if !required.is_some_and(|names| names.iter().any(|one| one == name))
                && let Value::Object(optional) = property
            {
                property = Value::Object(nullable(optional));
            }
            properties.insert(name.clone(), property);
        }
        let names: Vec<&String> = properties.keys().collect();
        strict.insert("required".to_owned(), json!(names));
        strict.insert("properties".to_owned(), Value::Object(properties));
        strict.insert("additionalProperties".to_owned(), Value::Bool(false));
    }

    /// The variants of an enum. Those of `oneOf` exclude each other by themselves.
    fn variants(&mut self, variants: &Value, path: &str, strict: &mut Map<String, Value>) {
        let variants = variants.as_array().into_iter().flatten();
        let variants: Vec<Value> =
            variants.flat_map(|one| flattened(self.schema(one, path))).collect();
        strict.insert("anyOf".to_owned(), Value::Array(variants));
    }

    fn definitions(&mut self, definitions: &Value, strict: &mut Map<String, Value>) {
        let definitions = definitions.as_object().into_iter().flatten();
        let definitions: Map<String, Value> = definitions
            .map(|(name, one)| (name.clone(), self.schema(one, &format!("{name}:$"))))
            .collect();
        strict.insert("$defs".to_owned(), Value::Object(definitions));
    }

    /// Refuses a schema that leaves the value, or the items of a list, open.
    fn check_said(&mut self, schema: &Map<String, Value>, strict: &Map<String, Value>, path: &str) {
        if !["type", "enum", "anyOf"].iter().any(|keyword| strict.contains_key(*keyword)) {
            self.refuse(path, "may be any value");
        }
        let is_list = schema.get("type") == Some(&json!("array"));
        if is_list && !schema.contains_key("items") && !schema.contains_key("prefixItems") {
            self.refuse(path, "may have any items");
        }
    }
}

const ANY_NAME: &str = "has properties of any name (a map, or one flattened into it)";

/// The variants of a variant that has nothing else.
fn flattened(variant: Value) -> Vec<Value> {
    match variant {
        Value::Object(mut only) if only.len() == 1 => match only.remove("anyOf") {
            Some(Value::Array(variants)) => variants,
            _ => vec![Value::Object(only)],
        },
        variant => vec![variant],
    }
}

/// Whether values are texts, whose format says more than their type.
fn is_text(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(|one| one == "string"),
        kind => kind.is_some_and(|kind| kind == "string"),
    }
}

/// An object or a list that may be null, without the null.
fn not_null(schema: &Map<String, Value>) -> Option<Map<String, Value>> {
    let Some(Value::Array(types)) = schema.get("type") else { return None };
    let rest: Vec<&Value> = types.iter().filter(|one| *one != "null").collect();
    match rest.as_slice() {
        [one] if rest.len() < types.len() && (*one == "object" || *one == "array") => {
            let mut schema = schema.clone();
            schema.insert("type".to_owned(), (*one).clone());
            Some(schema)
        }
        _ => None,
    }
}

/// The schema with null as one more value.
fn nullable(mut schema: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    if let Some(Value::Array(variants)) = schema.get_mut("anyOf") {
        let null = json!({"type": "null"});
        if !variants.contains(&null) {
            variants.push(null);
        }
        return schema;
    }
    match schema.get_mut("type") {
        Some(Value::Array(types)) if types.iter().any(|one| one == "null") => schema,
        Some(Value::Array(types)) => {
            types.push("null".into());
            schema
        }
        Some(Value::String(kind)) if kind != "object" && kind != "array" => {
            let types = json!([kind, "null"]);
            schema.insert("type".to_owned(), types);
            schema
        }
        _ => {
            let description = schema.remove("description");
            let mut either =
                Map::from_iter([("anyOf".to_owned(), json!([schema, {"type": "null"}]))]);
            either.extend(description.map(|text| ("description".to_owned(), text)));
            either
        }
    }
}

/// Appends what the subset has no keywords for to the description.
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
    let notes = notes.join(", ");
    let description = match strict.get("description").and_then(Value::as_str) {
        Some(text) => format!("{text} ({notes})"),
        None => notes,
    };
    strict.insert("description".to_owned(), Value::String(description));
}

/// A reference that stands alone needs no list around it.
fn unwrap_reference(strict: &mut Map<String, Value>) {
    if strict.len() == 1
        && let Some(Value::Array(variants)) = strict.get("anyOf")
        && let [Value::Object(only)] = variants.as_slice()
        && only.contains_key("$ref")
    {
        *strict = only.clone();
    }
}
