//! Limits, and whether a change of one lets less through.

use serde_json::Value;

/// Keyword, how people say it, and whether a larger value lets more through.
const LIMITS: [(&str, &str, bool); 12] = [
    ("minimum", "minimum", false),
    ("exclusiveMinimum", "exclusive minimum", false),
    ("maximum", "maximum", true),
    ("exclusiveMaximum", "exclusive maximum", true),
    ("minLength", "minimum length", false),
    ("maxLength", "maximum length", true),
    ("minItems", "least number of items", false),
    ("maxItems", "largest number of items", true),
    ("minProperties", "least number of properties", false),
    ("maxProperties", "largest number of properties", true),
    ("multipleOf", "multiple of", false),
    ("pattern", "pattern", false),
];

/// The limits that differ, as text, and whether each is tighter in the new schema.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (keyword, name, larger_is_looser) in LIMITS {
        let (before, after) = (old.get(keyword), new.get(keyword));
        if before.map(number) == after.map(number)
            && (before.and_then(Value::as_f64).is_some() || before == after)
        {
            continue;
        }
        found.push(match (before, after) {
            (None, Some(after)) => (format!("{name} {after} added"), true),
            (Some(before), None) => (format!("{name} {before} removed"), false),
            (Some(before), Some(after)) => {
                let larger = number(after) > number(before);
                (format!("{name} changed from {before} to {after}"), larger != larger_is_looser)
            }
            (None, None) => continue,
        });
    }
    let open = |schema: &Value| schema.get("additionalProperties") != Some(&Value::Bool(false));
    if old.get("properties").is_some() && new.get("properties").is_some() {
        match (open(old), open(new)) {
            (true, false) => found.push(("other properties no longer allowed".to_owned(), true)),
            (false, true) => found.push(("other properties allowed".to_owned(), false)),
            _ => {}
        }
    }
    found
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}
