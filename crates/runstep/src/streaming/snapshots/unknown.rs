//! Applies deltas to objects that the specification does not list, as JSON.

use serde_json::{Map, Value};

pub(super) fn empty() -> Value {
    Value::Object(Map::new())
}

/// Returns the index of the item that a delta belongs to, if it has one.
pub(super) fn index(delta: &Value) -> Option<u64> {
    delta.get("index").and_then(Value::as_u64)
}

/// Converts a complete item to a delta.
pub(super) fn with_index(item: &Value, index: u64) -> Value {
    let mut delta = item.clone();
    if let Value::Object(fields) = &mut delta {
        fields.insert("index".to_owned(), index.into());
    }
    delta
}

/// Applies a delta: strings are appended, objects are merged, other values are replaced.
pub(super) fn extend(whole: &mut Value, delta: &Value) {
    match (whole, delta) {
        (Value::Object(whole), Value::Object(delta)) => {
            for (name, value) in delta {
                match (name.as_str(), whole.get_mut(name)) {
                    ("index", _) => {}
                    // Identifiers are repeated, not extended.
                    ("type" | "id", Some(known)) => known.clone_from(value),
                    (_, Some(known)) => extend(known, value),
                    (_, None) => drop(whole.insert(name.clone(), value.clone())),
                }
            }
        }
        (Value::String(whole), Value::String(delta)) => whole.push_str(delta),
        (whole, delta) => whole.clone_from(delta),
    }
}
