//! Validation of request bodies: an implementation of `Validate` for each type that they contain.

use std::collections::BTreeMap;

use quote::quote;
use serde_json::{Map, Value};
use syn::ItemStruct;

use crate::codegen::Generated;
use crate::codegen::document::{kind, list, rust_name};
use crate::codegen::error::Error;
use crate::codegen::lower::LIMITS;
use crate::codegen::rewrite::wire_name;
use crate::codegen::unions::{Union, alternatives};

const HEAD: &str = "//! Limits of request bodies.\n\n#![allow(unused_imports)]\n\n\
    use std::ops::Bound::{Excluded, Included, Unbounded};\n\n\
    use crate::types;\nuse crate::validate::{Limited as _, Limits, Validate, Violation, field};\n\n";

/// The limits of a schema without limits.
const NONE: &str = "&Limits::NONE";

/// Renders the implementations for request bodies and for what they contain.
pub fn render(generated: &Generated) -> Result<String, Error> {
    let Generated { document, unions, .. } = generated;
    let mut schemas: BTreeMap<String, &Value> =
        document.schemas().map(|(name, schema)| (rust_name(name), schema)).collect();
    let mut types: BTreeMap<String, Checks> = BTreeMap::new();
    let mut open = Vec::new();
    for body in generated.request_bodies() {
        schemas.entry(body.name.clone()).or_insert(body.schema);
        open.push(body.name);
    }
    let names = unions.unions.iter().map(|union| union.name.clone());
    let names: Vec<String> = generated.structs().map(|(name, _)| name).chain(names).collect();
    for (name, item) in generated.structs() {
        let schema = schemas.get(&name).copied().unwrap_or(&Value::Null);
        types.insert(name, struct_checks(item, schema, &names));
    }
    for union in &unions.unions {
        types.insert(union.name.clone(), union_checks(union, generated));
    }
    let mut bodies: BTreeMap<String, String> = BTreeMap::new();
    while let Some(name) = open.pop() {
        let Some(checks) = types.remove(&name) else { continue };
        open.extend(checks.nested);
        bodies.insert(name, checks.text);
    }
    let mut text = String::new();
    for (name, body) in names.iter().filter_map(|name| bodies.get_key_value(name)) {
        text.push_str(&format!(
            "impl Validate for types::{name} {{ fn validate(&self) -> Result<(), Violation> {{ {body} }} }}"
        ));
    }
    Ok(format!("{HEAD}{}", prettyplease::unparse(&syn::parse_file(&text)?)))
}

/// The checks of a type.
struct Checks {
    /// The body of `validate`.
    text: String,
    /// The names of the types that it may contain.
    nested: Vec<String>,
}

fn struct_checks(item: &ItemStruct, schema: &Value, names: &[String]) -> Checks {
    let mut checks = Checks { text: String::new(), nested: Vec::new() };
    for field in &item.fields {
        // A recursive list or map is a tuple struct without limits.
        let Some(ident) = &field.ident else { continue };
        let name = wire_name(field);
        let property = schema.get("properties").and_then(|properties| properties.get(&name));
        let limits = property.map_or(NONE.to_owned(), limits);
        let kind = &field.ty;
        let kind = quote!(#kind).to_string();
        let nested = names.iter().filter(|name| kind.split(' ').any(|word| word == *name));
        let nested: Vec<String> = nested.cloned().collect();
        if limits != NONE || !nested.is_empty() {
            checks.text.push_str(&format!("field({name:?}, &self.{ident}, {limits})?;"));
        }
        checks.nested.extend(nested);
    }
    checks.text.push_str("Ok(())");
    checks
}

fn union_checks(union: &Union, generated: &Generated) -> Checks {
    let document = &generated.document;
    let component = document.schemas().map(|(name, _)| name);
    let component = component.into_iter().find(|name| rust_name(name) == union.name);
    let alternatives = component.map(|name| alternatives(document, name)).unwrap_or_default();
    let limits_of = |other: &str| {
        let mut schemas = alternatives.iter().map(|alternative| alternative.schema);
        schemas.find(|schema| kind(schema) == Some(other)).map_or(NONE.to_owned(), limits)
    };
    let mut variants = Vec::new();
    let mut nested = Vec::new();
    if let Some(name) = &union.text {
        variants.push((name, limits_of("string")));
    }
    if let Some((name, item)) = &union.array {
        variants.push((name, limits_of("array")));
        nested.push(item.clone());
    }
    for (name, rust) in &union.scalars {
        variants.push((
            name,
            limits_of(match rust.as_str() {
                "i64" => "integer",
                "f64" => "number",
                _ => "boolean",
            }),
        ));
    }
    for variant in &union.tagged {
        variants.push((&variant.name, NONE.to_owned()));
        nested.push(rust_name(&variant.body));
    }
    if let Some((name, body)) = &union.object {
        variants.push((name, NONE.to_owned()));
        nested.push(body.clone());
    }
    // Types of other crates have no limits of their own.
    nested.retain(|name| !name.contains("::"));
    let arms: String = variants
        .iter()
        .map(|(name, limits)| format!("Self::{name}(value) => value.check({limits}),"))
        .collect();
    Checks { text: format!("match self {{ {arms} _ => Ok(()) }}"), nested }
}

/// Renders the limits of a schema as a reference to a `Limits`.
fn limits(schema: &Value) -> String {
    // A property of a plain type, with a description of its own, keeps the type in an `allOf`.
    let schema = list(schema, "allOf").first().unwrap_or(schema);
    let mut fields = Vec::new();
    if let Some(limits) = schema.get(LIMITS).and_then(Value::as_object) {
        match kind(schema) {
            Some("string") => fields.extend(size("size", limits, "minLength", "maxLength")),
            Some("array") => fields.extend(size("size", limits, "minItems", "maxItems")),
            Some("integer" | "number") => fields.extend(number(limits)),
            _ => fields.extend(size("size", limits, "minProperties", "maxProperties")),
        }
        let keys = limits.get("propertyNames").and_then(Value::as_object);
        fields.extend(keys.and_then(|keys| size("keys", keys, "minLength", "maxLength")));
    }
    let inner = schema.get("items").or(schema.get("additionalProperties")).map(limits_of_inner);
    fields.extend(inner.flatten());
    match fields.join(", ") {
        fields if fields.is_empty() => NONE.to_owned(),
        fields => format!("&Limits {{ {fields}, ..Limits::NONE }}"),
    }
}

fn limits_of_inner(schema: &Value) -> Option<String> {
    let inner = limits(schema);
    (inner != NONE).then(|| format!("each: Some({inner})"))
}

/// Renders the limits of a number of characters, items or entries.
fn size(field: &str, limits: &Map<String, Value>, least: &str, most: &str) -> Option<String> {
    let bound = |keyword: &str| limits.get(keyword).and_then(Value::as_f64).map(|size| size as u64);
    let (least, most) = (bound(least), bound(most));
    least.or(most)?;
    let most = most.map_or("u64::MAX".to_owned(), |most| most.to_string());
    Some(format!("{field}: ({}, {most})", least.unwrap_or(0)))
}

const UNBOUNDED: &str = "Unbounded";

/// Renders the range of a number. An exclusive bound is a number in OpenAPI 3.1, and in 3.0 a flag
/// beside the inclusive one.
fn number(limits: &Map<String, Value>) -> Option<String> {
    let bound = |inclusive: &str, exclusive: &str| {
        let value = |keyword: &str| limits.get(keyword).and_then(Value::as_f64);
        let is_exclusive = limits.get(exclusive) == Some(&Value::Bool(true));
        match (value(inclusive), value(exclusive)) {
            (Some(bound), None) if !is_exclusive => format!("Included({bound:?})"),
            (_, Some(bound)) | (Some(bound), None) => format!("Excluded({bound:?})"),
            (None, None) => UNBOUNDED.to_owned(),
        }
    };
    let lower = bound("minimum", "exclusiveMinimum");
    let upper = bound("maximum", "exclusiveMaximum");
    let is_limited = lower != UNBOUNDED || upper != UNBOUNDED;
    is_limited.then(|| format!("number: ({lower}, {upper})"))
}
