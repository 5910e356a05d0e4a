//! Compares keywords that restrict or describe values, and that the generated types do not depend
//! on.

use serde_json::Value;

use super::change::{Breaks, ChangeKind};
use crate::codegen::document::{is_true, kind};
use crate::codegen::lower::is_unsigned;

/// The effect of a larger value of a limit.
#[derive(Clone, Copy, PartialEq)]
enum Larger {
    /// More values are valid.
    Looser,
    /// Fewer values are valid.
    Tighter,
    /// Unknown: any change may make present values invalid.
    Unknown,
}

/// Keyword, name, and the effect of a larger value.
const LIMITS: [(&str, &str, Larger); 13] = [
    ("minimum", "minimum", Larger::Tighter),
    ("exclusiveMinimum", "exclusive minimum", Larger::Tighter),
    ("maximum", "maximum", Larger::Looser),
    ("exclusiveMaximum", "exclusive maximum", Larger::Looser),
    ("minLength", "minimum length", Larger::Tighter),
    ("maxLength", "maximum length", Larger::Looser),
    ("minItems", "minimum number of items", Larger::Tighter),
    ("maxItems", "maximum number of items", Larger::Looser),
    ("minProperties", "minimum number of properties", Larger::Tighter),
    ("maxProperties", "maximum number of properties", Larger::Looser),
    ("multipleOf", "multiple of", Larger::Unknown),
    ("pattern", "pattern", Larger::Unknown),
    ("format", "format", Larger::Unknown),
];

/// Returns the changes of keywords between two resolved schemas.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<ChangeKind> {
    let mut found = Vec::new();
    // A change of sign is more than a limit: the Rust type changes.
    let [was_signed, is_signed] =
        [old, new].map(|schema| kind(schema) == Some("integer") && !is_unsigned(schema));
    let resigned = kind(old) == kind(new) && was_signed != is_signed;
    if resigned {
        found.push(if is_signed {
            ChangeKind::of_type(Breaks::InResponses, "may be negative now (`i64`, was `u64`)")
        } else {
            ChangeKind::of_type(Breaks::InRequests, "may no longer be negative (`u64`, was `i64`)")
        });
    }
    for (keyword, name, larger) in LIMITS {
        if !(resigned && keyword == "minimum") {
            found.extend(limit(name, larger, old.get(keyword), new.get(keyword)));
        }
    }
    found.extend(unique_items(old, new));
    found.extend(other_properties(old, new));
    found
}

fn limit(
    name: &str,
    larger: Larger,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Option<ChangeKind> {
    if is_same(before, after) {
        return None;
    }
    Some(match (before, after) {
        (None, None) => return None,
        (None, Some(after)) => tighter(format!("{name} {after} added")),
        (Some(before), None) => looser(format!("{name} {before} removed")),
        (Some(before), Some(after)) => {
            let text = format!("{name} changed from {before} to {after}");
            match (larger, after.as_f64() > before.as_f64()) {
                (Larger::Looser, true) | (Larger::Tighter, false) => looser(text),
                _ => tighter(text),
            }
        }
    })
}

fn unique_items(old: &Value, new: &Value) -> Option<ChangeKind> {
    match [old, new].map(|schema| is_true(schema, "uniqueItems")) {
        [false, true] => Some(tighter("items must be unique now")),
        [true, false] => Some(looser("items need no longer be unique")),
        _ => None,
    }
}

/// What values the properties may have that a schema does not list.
#[derive(PartialEq)]
enum OtherProperties {
    NotAllowed,
    Any,
    WithSchema,
}

impl OtherProperties {
    fn of(schema: &Value) -> Self {
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => Self::NotAllowed,
            Some(Value::Object(keywords)) if !keywords.is_empty() => Self::WithSchema,
            _ => Self::Any,
        }
    }
}

fn other_properties(old: &Value, new: &Value) -> Option<ChangeKind> {
    use OtherProperties::{Any, NotAllowed, WithSchema};
    let is_map = |schema: &Value| schema.get("additionalProperties").is_some();
    if kind(old) != Some("object") || kind(new) != Some("object") || !(is_map(old) || is_map(new)) {
        return None;
    }
    // The values of a map have a Rust type, but those beside listed properties are ignored.
    Some(match (OtherProperties::of(old), OtherProperties::of(new)) {
        (Any | WithSchema, NotAllowed) => {
            ChangeKind::of_type(Breaks::InRequests, "other properties no longer allowed")
        }
        (NotAllowed, Any | WithSchema) => {
            ChangeKind::of_type(Breaks::Never, "other properties allowed")
        }
        (Any, WithSchema) => {
            ChangeKind::of_type(Breaks::InRequests, "values of other properties have a schema now")
        }
        (WithSchema, Any) => ChangeKind::of_type(
            Breaks::InResponses,
            "values of other properties no longer have a schema",
        ),
        _ => return None,
    })
}

/// Returns the changes of a default, and of flags such as `deprecated`, at a parameter or property.
pub(super) fn annotations(old: [&Value; 2], new: [&Value; 2]) -> Vec<ChangeKind> {
    let find = |values: [&Value; 2], keyword: &str| -> Option<Value> {
        values.into_iter().find_map(|value| value.get(keyword)).cloned()
    };
    let mut found = Vec::new();
    // Who leaves out a value gets the default, so another default is another value.
    let text = match (find(old, "default"), find(new, "default")) {
        (before, after) if is_same(before.as_ref(), after.as_ref()) => None,
        (None, Some(after)) => Some((Breaks::Never, format!("default {after} added"))),
        (Some(before), None) => Some((Breaks::InRequests, format!("default {before} removed"))),
        (Some(before), Some(after)) => {
            Some((Breaks::InRequests, format!("default changed from {before} to {after}")))
        }
        (None, None) => None,
    };
    found.extend(text.map(|(wire, text)| ChangeKind::of_values(wire, text)));
    let flags =
        |keyword| [old, new].map(|values| values.iter().any(|value| is_true(value, keyword)));
    found.extend(deprecation(flags("deprecated")));
    for (keyword, name, wire) in [
        ("readOnly", "read-only", Breaks::InRequests),
        ("writeOnly", "write-only", Breaks::InResponses),
    ] {
        found.extend(match flags(keyword) {
            [false, true] => Some(ChangeKind::of_values(wire, format!("{name} now"))),
            [true, false] => {
                Some(ChangeKind::of_values(Breaks::Never, format!("no longer {name}")))
            }
            _ => None,
        });
    }
    found
}

/// Returns the change of `deprecated`.
pub(super) fn deprecation(deprecated: [bool; 2]) -> Option<ChangeKind> {
    let text = match deprecated {
        [false, true] => "deprecated now",
        [true, false] => "no longer deprecated",
        _ => return None,
    };
    Some(ChangeKind::of_values(Breaks::Never, text))
}

/// Returns whether two values are equal. Numbers are equal in any notation.
fn is_same(before: Option<&Value>, after: Option<&Value>) -> bool {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    before == after || (number(before).is_some() && number(before) == number(after))
}

/// A limit that allows fewer values.
fn tighter(text: impl Into<String>) -> ChangeKind {
    ChangeKind::of_values(Breaks::InRequests, text)
}

/// A limit that allows more values. Types have no limits, so any value decodes.
fn looser(text: impl Into<String>) -> ChangeKind {
    ChangeKind::of_values(Breaks::Never, text)
}
