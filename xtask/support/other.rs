//! The properties of an object that the specification does not list.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::LazyLock;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::{Json, Kind};

/// Numbers with fewer digits are the same number as an integer of 64 bits or as `f64`.
const MIN_INEXACT_DIGITS: usize = 16;

/// The properties of an object that the specification does not list, and those whose values are of
/// the wrong kind.
#[derive(Clone, Default)]
pub struct Other(ManuallyDrop<Option<Box<Properties>>>);

/// Every object has other properties, but few have any: what drops them is compiled once.
impl Drop for Other {
    #[inline]
    fn drop(&mut self) {
        if let Some(properties) = self.0.take() {
            drop_properties(properties);
        }
    }
}

/// Dropping JSON does not panic. With this calling convention the compiler knows it, and needs no code
/// that drops the rest of an object after a panic.
#[cold]
#[inline(never)]
extern "C" fn drop_properties(properties: Box<Properties>) {
    drop(properties);
}

/// Maps of one type, so that there is less code.
#[derive(Clone, Default)]
struct Properties {
    values: Map<String, Value>,
    /// The JSON texts, as strings, of properties whose values may not be exact.
    texts: Map<String, Value>,
    /// What was decoded of properties that did not decode as a whole, as strings with JSON.
    parts: Map<String, Value>,
}

/// Texts and parts only say how the values were received.
impl PartialEq for Other {
    fn eq(&self, other: &Self) -> bool {
        self.as_map() == other.as_map()
    }
}

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_map().fmt(f)
    }
}

static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

impl Other {
    pub(crate) fn as_map(&self) -> &Map<String, Value> {
        self.0.as_deref().map_or(&*NONE, |properties| &properties.values)
    }

    pub(crate) fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0.get_or_insert_default().values
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_deref().is_none_or(|properties| properties.values.is_empty())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.as_deref()?.values.get(name)
    }

    /// Returns the name of a property that is here.
    pub(crate) fn name(&self, name: &str) -> Option<&str> {
        self.0.as_deref()?.values.get_key_value(name).map(|(name, _)| name.as_str())
    }

    /// Returns what was decoded of a property that is here, as JSON, if parts of it were.
    pub(crate) fn parts(&self, name: &str) -> Option<&str> {
        let properties = self.0.as_deref()?;
        properties.values.get(name)?;
        properties.parts.get(name)?.as_str()
    }

    /// Removes a property.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(properties) = &mut *self.0 {
            properties.values.remove(name);
            properties.texts.remove(name);
            properties.parts.remove(name);
        }
    }

    /// Adds a property, with what was decoded of it. The last of several properties with the same name
    /// is kept.
    pub(crate) fn insert(&mut self, name: String, json: Json<'_>, parts: Option<Vec<u8>>) {
        let properties = self.0.get_or_insert_default();
        let text = has_long_number(json.text()).then(|| json.text().to_owned());
        let parts = parts.and_then(|parts| String::from_utf8(parts).ok());
        for (map, detail) in [(&mut properties.texts, text), (&mut properties.parts, parts)] {
            match detail {
                Some(detail) => map.insert(name.clone(), detail.into()),
                None => map.remove(&name),
            };
        }
        properties.values.insert(name, json.value());
    }

    /// Returns the properties with their values, and with their texts if these have what the values
    /// cannot hold.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value, Option<&RawValue>)> {
        self.0.iter().flat_map(|properties| {
            let values = properties.values.iter();
            values.map(|(name, value)| (name.as_str(), value, properties.text(name, value)))
        })
    }
}

impl Properties {
    /// Returns the text of a property, unless its value was changed.
    fn text(&self, name: &str, value: &Value) -> Option<&RawValue> {
        let text = serde_json::from_str(self.texts.get(name)?.as_str()?).ok()?;
        let json = Json::new(text);
        // A value that is a string in place of what `Value` cannot hold stays one.
        let is_replaced = value.is_string() && json.kind() != Kind::String;
        (json.value() == *value && !is_replaced).then_some(text)
    }
}

/// Returns whether there are so many digits in a row that a number may not be exact. Digits within
/// strings count as well: the text is then kept without need.
fn has_long_number(text: &str) -> bool {
    let mut digits = 0;
    text.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() || byte == b'.' { digits + 1 } else { 0 };
        digits >= MIN_INEXACT_DIGITS
    })
}
