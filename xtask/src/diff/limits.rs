//! Compares limits.

use serde_json::Value;

use super::change::{Breaks, ChangeKind};
use crate::codegen::document::kind;
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
const LIMITS: [(&str, &str, Larger); 12] = [
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
];

/// Returns the changes of limits.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<ChangeKind> {
    let mut found = Vec::new();
    // A change of sign is more than a limit: the Rust type changes.
    let [was_signed, is_signed] =
        [old, new].map(|schema| kind(schema) == Some("integer") && !is_unsigned(schema));
    let resigned = kind(old) == kind(new) && was_signed != is_signed;
    if resigned {
        let (wire, text) = if is_signed {
            (Breaks::InResponses, "may be negative now (`i64`, was `u64`)")
        } else {
            (Breaks::InRequests, "may no longer be negative (`u64`, was `i64`)")
        };
        found.push(ChangeKind::new(Breaks::Always, wire, text));
    }
    for (keyword, name, larger) in LIMITS {
        let (before, after) = (old.get(keyword), new.get(keyword));
        let same = before.and_then(Value::as_f64).is_some()
            && before.map(Value::as_f64) == after.map(Value::as_f64);
        if same || before == after || (resigned && keyword == "minimum") {
            continue;
        }
        found.push(match (before, after) {
            (None, None) => continue,
            (None, Some(after)) => tighter(format!("{name} {after} added")),
            (Some(before), None) => ChangeKind::compatible(format!("{name} {before} removed")),
            (Some(before), Some(after)) => {
                let text = format!("{name} changed from {before} to {after}");
                match (larger, after.as_f64() > before.as_f64()) {
                    (Larger::Looser, true) | (Larger::Tighter, false) => {
                        ChangeKind::compatible(text)
                    }
                    _ => tighter(text),
                }
            }
        });
    }
    let open = |schema: &Value| schema.get("additionalProperties") != Some(&Value::Bool(false));
    if old.get("properties").is_some() && new.get("properties").is_some() {
        match (open(old), open(new)) {
            (true, false) => found.push(tighter("other properties no longer allowed")),
            (false, true) => found.push(ChangeKind::compatible("other properties allowed")),
            _ => {}
        }
    }
    found
}

/// A limit that allows fewer values. Types have no limits, so callers are not affected.
fn tighter(text: impl Into<String>) -> ChangeKind {
    ChangeKind::new(Breaks::Never, Breaks::InRequests, text)
}
