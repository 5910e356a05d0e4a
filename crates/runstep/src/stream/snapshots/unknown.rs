//! What the specification does not list, from pieces.

use serde_json::{Map, Value};

pub(super) fn empty() -> Value {
    Value::Object(Map::new())
}

/// Which item of its list a piece belongs to.
pub(super) fn index(piece: &Value) -> u64 {
    piece.get("index").and_then(Value::as_u64).unwrap_or_default()
}

/// A whole item as a piece.
pub(super) fn with_index(item: &Value, index: u64) -> Value {
    let mut piece = item.clone();
    if let Value::Object(fields) = &mut piece {
        fields.insert("index".to_owned(), index.into());
    }
    piece
}

/// Adds a piece: texts grow, objects take fields, and anything else is as it came last.
pub(super) fn extend(whole: &mut Value, piece: &Value) {
    match (whole, piece) {
        (Value::Object(whole), Value::Object(piece)) => {
            for (name, value) in piece {
                match (name.as_str(), whole.get_mut(name)) {
                    ("index", _) => {}
                    // They name something, and come again as they are.
                    ("type" | "id", Some(known)) => known.clone_from(value),
                    (_, Some(known)) => extend(known, value),
                    (_, None) => drop(whole.insert(name.clone(), value.clone())),
                }
            }
        }
        (Value::String(whole), Value::String(piece)) => whole.push_str(piece),
        (whole, piece) => whole.clone_from(piece),
    }
}
