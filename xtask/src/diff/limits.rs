//! Limits, and whether a change of one lets less through.

use serde_json::Value;

use super::change::What;
use super::variants::kind;
use crate::codegen::lower::counts;

/// What a larger value of a limit does.
#[derive(Clone, Copy, PartialEq)]
enum Larger {
    /// More is let through.
    Looser,
    /// Less is let through.
    Tighter,
    /// That cannot be told: any other value lets less of what there is through.
    Unclear,
}

/// Keyword, how people say it, and what a larger value does.
const LIMITS: [(&str, &str, Larger); 12] = [
    ("minimum", "minimum", Larger::Tighter),
    ("exclusiveMinimum", "exclusive minimum", Larger::Tighter),
    ("maximum", "maximum", Larger::Looser),
    ("exclusiveMaximum", "exclusive maximum", Larger::Looser),
    ("minLength", "minimum length", Larger::Tighter),
    ("maxLength", "maximum length", Larger::Looser),
    ("minItems", "least number of items", Larger::Tighter),
    ("maxItems", "largest number of items", Larger::Looser),
    ("minProperties", "least number of properties", Larger::Tighter),
    ("maxProperties", "largest number of properties", Larger::Looser),
    ("multipleOf", "multiple of", Larger::Unclear),
    ("pattern", "pattern", Larger::Unclear),
];

/// The limits that differ.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<What> {
    let mut found = Vec::new();
    // Whether an integer may be negative is more than a limit: it is another Rust type.
    let signed = [old, new].map(|schema| kind(schema) == Some("integer") && !counts(schema));
    let resigned = kind(old) == kind(new) && signed.first() != signed.last();
    if resigned {
        found.push(What::Signed(signed.last() == Some(&true)));
    }
    for (keyword, name, larger) in LIMITS {
        let (before, after) = (old.get(keyword), new.get(keyword));
        let same = before.and_then(Value::as_f64).is_some()
            && before.map(Value::as_f64) == after.map(Value::as_f64);
        if same || before == after || (resigned && keyword == "minimum") {
            continue;
        }
        found.push(match (before, after) {
            (None, Some(after)) => What::Tighter(format!("{name} {after} added")),
            (Some(before), None) => What::Looser(format!("{name} {before} removed")),
            (Some(before), Some(after)) => {
                let text = format!("{name} changed from {before} to {after}");
                let is_larger = after.as_f64() > before.as_f64();
                match (larger, is_larger) {
                    (Larger::Looser, true) | (Larger::Tighter, false) => What::Looser(text),
                    _ => What::Tighter(text),
                }
            }
            (None, None) => continue,
        });
    }
    let open = |schema: &Value| schema.get("additionalProperties") != Some(&Value::Bool(false));
    if old.get("properties").is_some() && new.get("properties").is_some() {
        match (open(old), open(new)) {
            (true, false) => {
                found.push(What::Tighter("other properties no longer allowed".to_owned()));
            }
            (false, true) => found.push(What::Looser("other properties allowed".to_owned())),
            _ => {}
        }
    }
    found
}
