//! JSON schemas as text.

use axum::body::Bytes;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A JSON schema as text, which clones share. As a value it can take many times as much memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaText(Bytes);

impl SchemaText {
    /// Creates a schema from a part of a text, which it keeps alive.
    pub(crate) fn from_part(text: &Bytes, part: &RawValue) -> Self {
        Self(text.slice_ref(part.get().as_bytes()))
    }

    /// Returns the text.
    pub fn get(&self) -> &str {
        // It was created from text.
        std::str::from_utf8(&self.0).unwrap_or("{}")
    }

    /// Parses the schema.
    pub fn to_value(&self) -> Value {
        // It was created from JSON.
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

impl From<Value> for SchemaText {
    fn from(value: Value) -> Self {
        Self(value.to_string().into())
    }
}

impl From<Map<String, Value>> for SchemaText {
    fn from(object: Map<String, Value>) -> Self {
        Value::Object(object).into()
    }
}

impl Serialize for SchemaText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: &RawValue =
            serde_json::from_str(self.get()).map_err(serde::ser::Error::custom)?;
        text.serialize(serializer)
    }
}
