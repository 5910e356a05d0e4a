//! Validation of request bodies: an implementation of `Validate` for each type with limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use quote::quote;
use serde_json::{Map, Value};
use syn::{Item, ItemStruct, Type};

use crate::codegen::Generated;
use crate::codegen::document::rust_name;
use crate::codegen::error::Error;
use crate::codegen::lower::LIMITS;
use crate::codegen::rewrite::{type_named, wire_name};
use crate::codegen::unions::alternatives;

const HEAD: &str = "//! Limits of request bodies.\n\n#![allow(unused_imports)]\n\n\
    use crate::types;\nuse crate::validate::{Validate, Violation};\n\
    use crate::validate::{characters, each, each_key, each_value, entries, field, items, number};\n\n";

/// Renders the implementations for request bodies and for what they contain.
pub fn render(generated: &Generated) -> Result<String, Error> {
    let types = Types::new(generated);
    let bodies: BTreeSet<String> =
        generated.request_bodies().into_iter().map(|body| body.name).collect();
    let mut reached: BTreeMap<String, Checks> = BTreeMap::new();
    let mut open: Vec<String> = bodies.iter().cloned().collect();
    while let Some(name) = open.pop() {
        if reached.contains_key(&name) {
            continue;
        }
        let Some(checks) = types.checks(&name) else { continue };
        open.extend(checks.nested());
        reached.insert(name, checks);
    }
    let limited = limited(&reached);
    let mut text = String::new();
    for name in types.names() {
        if let Some(checks) = reached.get(name)
            && (limited.contains(name) || bodies.contains(name))
        {
            let _ = write!(
                text,
                "impl Validate for types::{name} {{ fn validate(&self) -> Result<(), Violation> {{ {} }} }}",
                checks.render(&limited)
            );
        }
    }
    Ok(format!("{HEAD}{}", prettyplease::unparse(&syn::parse_file(&text)?)))
}

/// Returns the types that have limits, or contain a type that has.
fn limited(types: &BTreeMap<String, Checks>) -> BTreeSet<String> {
    let mut limited = BTreeSet::new();
    loop {
        let before = limited.len();
        for (name, checks) in types {
            if !checks.render_all(&limited).is_empty() {
                limited.insert(name.clone());
            }
        }
        if limited.len() == before {
            return limited;
        }
    }
}

/// One check of a value.
enum Check {
    /// A call of a function on the value.
    Call(String),
    /// A call of the type's own `validate`.
    Nested(String),
    /// Checks of each item of a list or value of a map, by a function.
    Each(&'static str, Vec<Check>),
}

/// The checks of a type.
enum Checks {
    /// Checks by field: an expression of type `Option<&T>` for the value, and the name in JSON.
    Struct(Vec<(String, String, Vec<Check>)>),
    /// Checks by variant.
    Enum(Vec<(String, Vec<Check>)>),
}

impl Checks {
    fn all(&self) -> Vec<&Vec<Check>> {
        match self {
            Self::Struct(fields) => fields.iter().map(|(_, _, checks)| checks).collect(),
            Self::Enum(variants) => variants.iter().map(|(_, checks)| checks).collect(),
        }
    }

    fn nested(&self) -> Vec<String> {
        fn add(checks: &[Check], found: &mut Vec<String>) {
            for check in checks {
                match check {
                    Check::Call(_) => {}
                    Check::Nested(name) => found.push(name.clone()),
                    Check::Each(_, inner) => add(inner, found),
                }
            }
        }
        let mut found = Vec::new();
        self.all().into_iter().for_each(|checks| add(checks, &mut found));
        found
    }

    /// Renders all checks, without those of nested types that have no limits.
    fn render_all(&self, limited: &BTreeSet<String>) -> Vec<String> {
        self.all().into_iter().filter_map(|checks| expression(checks, limited)).collect()
    }

    /// Renders the body of `validate`.
    fn render(&self, limited: &BTreeSet<String>) -> String {
        let mut text = String::new();
        match self {
            Self::Struct(fields) => {
                for (name, value, checks) in fields {
                    if let Some(check) = expression(checks, limited) {
                        let _ = write!(text, "field({name:?}, {value}, |value| {check})?;");
                    }
                }
                text.push_str("Ok(())");
            }
            Self::Enum(variants) => {
                text.push_str("match self {");
                for (name, checks) in variants {
                    if let Some(check) = expression(checks, limited) {
                        let _ = write!(text, "Self::{name}(value) => {check},");
                    }
                }
                text.push_str("_ => Ok(()) }");
            }
        }
        text
    }
}

/// Renders checks of `value` as one expression. Returns `None` if there are none.
fn expression(checks: &[Check], limited: &BTreeSet<String>) -> Option<String> {
    let calls: Vec<String> = checks
        .iter()
        .filter_map(|check| match check {
            Check::Call(call) => Some(call.clone()),
            Check::Nested(name) => limited.contains(name).then(|| "value.validate()".to_owned()),
            Check::Each(function, inner) => {
                let inner = expression(inner, limited)?;
                Some(format!("{function}(value, |value| {inner})"))
            }
        })
        .collect();
    match calls.as_slice() {
        [] => None,
        [call] => Some(call.clone()),
        calls => Some(format!("{{ {} }}", calls.join("?; "))),
    }
}

/// The generated types by name, with their schemas.
struct Types<'a> {
    generated: &'a Generated,
    structs: BTreeMap<String, &'a ItemStruct>,
    schemas: BTreeMap<String, &'a Value>,
}

impl<'a> Types<'a> {
    fn new(generated: &'a Generated) -> Self {
        let structs = generated.code.structs.items.iter().filter_map(|item| match item {
            Item::Struct(item) => Some((item.ident.to_string(), item)),
            _ => None,
        });
        let named = generated.document.schemas();
        let mut schemas: BTreeMap<String, &Value> =
            named.map(|(name, schema)| (rust_name(name), schema)).collect();
        for body in generated.request_bodies() {
            schemas.entry(body.name).or_insert(body.schema);
        }
        Self { generated, structs: structs.collect(), schemas }
    }

    /// Returns the names of all types, in the order in which they are generated.
    fn names(&self) -> impl Iterator<Item = &String> {
        let Generated { code, unions, .. } = self.generated;
        let structs = code.structs.items.iter().filter_map(|item| match item {
            Item::Struct(item) => self.structs.get_key_value(&item.ident.to_string()),
            _ => None,
        });
        structs.map(|(name, _)| name).chain(unions.unions.iter().map(|union| &union.name))
    }

    fn checks(&self, name: &str) -> Option<Checks> {
        let schema = self.schemas.get(name).copied().unwrap_or(&Value::Null);
        if let Some(item) = self.structs.get(name) {
            let fields = item.fields.iter().filter_map(|field| {
                let (ident, name) = (field.ident.as_ref()?, wire_name(field));
                let (kind, value) = if let Some(kind) = type_named(&field.ty, "Option") {
                    (kind, format!("self.{ident}.as_ref()"))
                } else if let Some(kind) = type_named(&field.ty, "Field") {
                    (kind, format!("self.{ident}.as_option()"))
                } else {
                    (&field.ty, format!("Some(&self.{ident})"))
                };
                let property = schema.get("properties").and_then(|all| all.get(&name));
                Some((name, value, self.checks_of(kind, property.unwrap_or(&Value::Null))))
            });
            return Some(Checks::Struct(fields.collect()));
        }
        let union = self.generated.unions.unions.iter().find(|union| union.name == name)?;
        let (component, _) = self
            .generated
            .document
            .schemas()
            .find(|(component, _)| rust_name(component) == name)?;
        let alternatives = alternatives(&self.generated.document, component);
        let with_type = |kind: &str| {
            let mut schemas = alternatives.iter().map(|alternative| &alternative.schema);
            let found =
                schemas.find(|schema| schema.get("type").is_some_and(|other| other == kind));
            found.unwrap_or(&Value::Null)
        };
        let mut variants = Vec::new();
        if let Some(name) = &union.text {
            let checks = limits(with_type("string"), "characters", "value", LENGTH);
            variants.push((name.clone(), checks.into_iter().collect()));
        }
        if let Some((name, item)) = &union.array {
            let mut checks: Vec<Check> =
                limits(with_type("array"), "items", "value.len()", ITEMS).into_iter().collect();
            checks.push(Check::Each("each", vec![Check::Nested(item.clone())]));
            variants.push((name.clone(), checks));
        }
        let tagged =
            union.tagged.iter().map(|variant| (variant.name.clone(), rust_name(&variant.body)));
        for (name, body) in tagged.chain(union.object.clone()) {
            variants.push((name, vec![Check::Nested(body)]));
        }
        Some(Checks::Enum(variants))
    }

    fn checks_of(&self, kind: &Type, schema: &Value) -> Vec<Check> {
        // A property of a plain type, with a description of its own, keeps the type in an `allOf`.
        let schema = schema.get("allOf").and_then(|parts| parts.get(0)).unwrap_or(schema);
        let kind = type_named(kind, "Box").unwrap_or(kind);
        let mut checks = Vec::new();
        if let Some(item) = type_named(kind, "Vec") {
            checks.extend(limits(schema, "items", "value.len()", ITEMS));
            let items = schema.get("items").unwrap_or(&Value::Null);
            checks.push(Check::Each("each", self.checks_of(item, items)));
            return checks;
        }
        let name = quote!(#kind).to_string();
        let map = map_value(kind);
        if map.is_some() || name.starts_with("serde_json :: Map") {
            checks.extend(limits(schema, "entries", "value.len()", ENTRIES));
        }
        if let Some(value) = map {
            let values = schema.get("additionalProperties").unwrap_or(&Value::Null);
            if let Some(names) = schema.get(LIMITS).and_then(|limits| limits.get("propertyNames")) {
                let range = names.as_object().and_then(|names| range(names, LENGTH, &natural));
                checks.extend(range.map(|range| Check::Call(format!("each_key(value, {range})"))));
            }
            checks.push(Check::Each("each_value", self.checks_of(value, values)));
            return checks;
        }
        let bounds = schema.get(LIMITS).and_then(Value::as_object);
        let number = |text: &dyn Fn(&Value, bool) -> Option<String>| {
            let range = range(bounds?, NUMBER, text)?;
            Some(Check::Call(format!("number(value, {range})")))
        };
        match name.as_str() {
            "String" => checks.extend(limits(schema, "characters", "value", LENGTH)),
            "f64" => checks.extend(number(&|bound, _| Some(format!("{:?}", bound.as_f64()?)))),
            "i64" => checks.extend(number(&integer)),
            "u64" => checks.extend(number(&natural)),
            _ => checks.push(Check::Nested(name)),
        }
        checks
    }
}

/// Returns the type of the values of a map with strings as keys.
fn map_value(kind: &Type) -> Option<&Type> {
    let Type::Path(path) = kind else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == "BTreeMap")?;
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.last()? {
        syn::GenericArgument::Type(value) => Some(value),
        _ => None,
    }
}

/// Keywords for the lower and the upper bound.
type Keywords = [&'static str; 2];

const LENGTH: Keywords = ["minLength", "maxLength"];
const ITEMS: Keywords = ["minItems", "maxItems"];
const ENTRIES: Keywords = ["minProperties", "maxProperties"];
const NUMBER: Keywords = ["minimum", "maximum"];

/// Returns the call of a function that checks a size, if the schema limits it.
fn limits(schema: &Value, function: &str, value: &str, keywords: Keywords) -> Option<Check> {
    let range = range(schema.get(LIMITS)?.as_object()?, keywords, &natural)?;
    Some(Check::Call(format!("{function}({value}, {range})")))
}

/// Formats a bound of an unsigned integer. A lower bound of zero is dropped.
fn natural(bound: &Value, lower: bool) -> Option<String> {
    let bound = integer(bound, lower)?.parse::<u64>().ok()?;
    (bound > 0 || !lower).then(|| bound.to_string())
}

/// Formats a bound of an integer. A bound that no `i64` is outside of is dropped.
fn integer(bound: &Value, lower: bool) -> Option<String> {
    if let Some(bound) = bound.as_i64() {
        return (bound != i64::MIN).then(|| bound.to_string());
    }
    let bound = bound.as_f64()?;
    let bound = if lower { bound.ceil() } else { bound.floor() };
    (bound.abs() < i64::MAX as f64).then(|| (bound as i64).to_string())
}

/// Formats the range of allowed values as a Rust expression. Returns `None` without bounds.
///
/// An exclusive bound is a number in OpenAPI 3.1, and in 3.0 a flag beside the inclusive one.
fn range(
    limits: &Map<String, Value>,
    keywords: Keywords,
    format: &dyn Fn(&Value, bool) -> Option<String>,
) -> Option<String> {
    let [lower, upper] =
        [(true, "exclusiveMinimum"), (false, "exclusiveMaximum")].map(|(lower, exclusive)| {
            let keyword = if lower { keywords[0] } else { keywords[1] };
            let inclusive = limits.get(keyword);
            let exclusive = limits.get(exclusive).filter(|_| keywords == NUMBER);
            match (inclusive, exclusive) {
                (Some(bound), Some(Value::Bool(true))) => Some((format(bound, lower)?, true)),
                (_, Some(bound @ Value::Number(_))) => Some((format(bound, lower)?, true)),
                (bound, _) => Some((format(bound?, lower)?, false)),
            }
        });
    match (lower, upper) {
        (None, None) => None,
        (Some((lower, false)), None) => Some(format!("{lower}..")),
        (lower, Some((upper, exclusive)))
            if lower.as_ref().is_none_or(|(_, exclusive)| !exclusive) =>
        {
            let lower = lower.map(|(bound, _)| bound).unwrap_or_default();
            Some(format!("{lower}..{}{upper}", if exclusive { "" } else { "=" }))
        }
        (lower, upper) => {
            let bound = |bound: Option<(String, bool)>| match bound {
                None => "std::ops::Bound::Unbounded".to_owned(),
                Some((bound, true)) => format!("std::ops::Bound::Excluded({bound})"),
                Some((bound, false)) => format!("std::ops::Bound::Included({bound})"),
            };
            Some(format!("({}, {})", bound(lower), bound(upper)))
        }
    }
}
