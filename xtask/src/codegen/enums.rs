//! Step 8, open enums: string enums leave the document and become types that keep what they do
//! not know. The generator's own enums fail on a value that is new.

use serde_json::Value;

use super::document::{Document, description, rust_name};
use super::names::{INLINE, is_string_enum};

/// A string enum that keeps unknown values.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenEnum {
    /// Its Rust name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Variant name and wire value, in the document's order.
    pub values: Vec<(String, String)>,
    /// Whether it is the one value of a property that only tells what an object is.
    pub constant: bool,
}

/// The string enums among the components that something still refers to: the tags of unions, and
/// the strings that are variants of a union by now, are not.
pub fn open_enums(document: &Document) -> Vec<OpenEnum> {
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

/// Variant names and values of a string enum. Values whose names would be the same are told apart
/// by a number.
pub fn values(schema: &Value) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for value in schema.get("enum").and_then(Value::as_array).into_iter().flatten() {
        let Some(value) = value.as_str() else { continue };
        let mut name = rust_name(value);
        if name == "Unknown" {
            name = "UnknownValue".to_owned();
        }
        let mut number = 2;
        while found.iter().any(|(other, _)| *other == name) {
            name = format!("{}{number}", rust_name(value));
            number += 1;
        }
        found.push((name, value.to_owned()));
    }
    found
}
