//! Stage `enums`: extracts string enums, which become types that keep unknown values. Typify's enums
//! fail to decode a value that the document does not list.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{Document, description, rust_name};
use super::names::{INLINE, Names, is_string_enum};

/// A string enum that keeps unknown values.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenEnum {
    /// The Rust name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The variant names with their values, in the order of the document.
    pub values: Vec<(String, String)>,
    /// Whether it is the type of a constant property, such as `object`.
    pub constant: bool,
}

/// Returns the string enums that are referred to. Discriminators, and strings that are variants of a
/// union, no longer are.
pub fn extract_enums(document: &Document) -> Vec<OpenEnum> {
    let used = document.references_outside_unions();
    document
        .schemas()
        .filter(|(name, schema)| is_string_enum(schema) && used.contains(*name))
        .map(|(name, schema)| open_enum(name, schema))
        .collect()
}

fn open_enum(name: &str, schema: &Value) -> OpenEnum {
    let values = values(schema);
    OpenEnum {
        name: rust_name(name),
        description: description(schema).map(str::to_owned),
        constant: values.len() == 1 && schema.get(INLINE).is_some(),
        values,
    }
}

/// Returns the values of a string enum, with a distinct variant name for each.
pub fn values(schema: &Value) -> Vec<(String, String)> {
    let mut names = Names::default();
    let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let mut taken = BTreeSet::new();
    let values = values.filter_map(Value::as_str).filter(|value| taken.insert(*value));
    let pairs = values.map(|value| {
        let name = match rust_name(value) {
            // The variant for unknown values.
            name if name == "Unknown" => "UnknownValue".to_owned(),
            name => name,
        };
        // `Self_2` would not be in camel case.
        let longer = match name.strip_suffix('_') {
            Some(keyword) => format!("{keyword}Value"),
            None => name.clone(),
        };
        (names.distinct(&name, &longer), value.to_owned())
    });
    pairs.collect()
}
