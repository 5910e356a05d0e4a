//! JSON objects without listed properties, such as JSON Schemas.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::Field;
use crate::slot::Target;
use crate::validate::{Limited, Limits, Violation};
use crate::wire::Wire;

/// A JSON object in a request, such as a JSON Schema: `json!({ … })` converts to it.
///
/// A value that is not an object is accepted, and rejected by [`Validate`](crate::Validate).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct JsonObject(Value);

impl JsonObject {
    /// Returns the object, or `None` if the value is not one.
    pub fn as_map(&self) -> Option<&Map<String, Value>> {
        self.0.as_object()
    }

    /// Returns the value.
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// Returns the value.
    pub fn into_value(self) -> Value {
        self.0
    }

    /// Returns a property.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// Returns a property, or null if there is none.
impl std::ops::Index<&str> for JsonObject {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

impl Default for JsonObject {
    fn default() -> Self {
        Self(Map::new().into())
    }
}

impl From<Value> for JsonObject {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl From<Map<String, Value>> for JsonObject {
    fn from(object: Map<String, Value>) -> Self {
        Self(object.into())
    }
}

impl From<Value> for Field<JsonObject> {
    fn from(value: Value) -> Self {
        Self::Value(value.into())
    }
}

impl From<Map<String, Value>> for Field<JsonObject> {
    fn from(object: Map<String, Value>) -> Self {
        Self::Value(object.into())
    }
}

impl Wire for JsonObject {
    fn empty() -> Self {
        Self::default()
    }

    fn target(&mut self) -> Target<'_> {
        if !self.0.is_object() {
            *self = Self::default();
        }
        match &mut self.0 {
            Value::Object(object) => Target::JsonObject(object),
            value => Target::Json(value),
        }
    }

    fn write(&self, json: &mut Vec<u8>) {
        self.0.write(json);
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::from)
    }
}

impl Limited for JsonObject {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        match self.as_map() {
            Some(map) => map.check(limits),
            None => Err(Violation::new("must be an object".to_owned())),
        }
    }
}
