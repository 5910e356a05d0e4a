//! Compares limits.

use serde_json::Value;

use super::alternatives::kind;
use super::change::ChangeKind;
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
    let signed = [old, new].map(|schema| kind(schema) == Some("integer") && !is_unsigned(schema));
    let resigned = kind(old) == kind(new) && signed.first() != signed.last();
    if resigned {
        found.push(ChangeKind::Signed(signed.last() == Some(&true)));
    }
    for (keyword, name, larger) in LIMITS {
        let (before, after) = (old.get(keyword), new.get(keyword));
        let same = before.and_then(Value::as_f64).is_some()
            && before.map(Value::as_f64) == after.map(Value::as_f64);
        if same || before == after || (resigned && keyword == "minimum") {
            continue;
        }
        found.push(match (before, after) {
            (None, Some(after)) => ChangeKind::Tighter(format!("{name} {after} added")),
            (Some(before), None) => ChangeKind::Looser(format!("{name} {before} removed")),
            (Some(before), Some(after)) => {
                let text = format!("{name} changed from {before} to {after}");
                let is_larger = after.as_f64() > before.as_f64();
                match (larger, is_larger) {
                    (Larger::Looser, true) | (Larger::Tighter, false) => ChangeKind::Looser(text),
                    _ => ChangeKind::Tighter(text),
                }
            }
            (None, None) => continue,
        });
    }
    let open = |schema: &Value| schema.get("additionalProperties") != Some(&Value::Bool(false));
    if old.get("properties").is_some() && new.get("properties").is_some() {
        match (open(old), open(new)) {
            (true, false) => {
                found.push(ChangeKind::Tighter("other properties no longer allowed".to_owned()));
            }
            (false, true) => found.push(ChangeKind::Looser("other properties allowed".to_owned())),
            _ => {}
        }
    }
    found
}
