//! The properties of an object that the specification does not list.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::LazyLock;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::Json;

/// Numbers with fewer digits are the same number as an integer of 64 bits or as `f64`.
const MIN_INEXACT_DIGITS: usize = 16;

/// The properties of an object that the specification does not list, and those whose values are of
/// the wrong kind.
#[derive(Clone, Default, PartialEq)]
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

#[derive(Clone, Default)]
struct Properties {
    values: Map<String, Value>,
    /// What the values do not have.
    details: Vec<Details>,
}

impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

/// What a property has beside its value.
#[derive(Clone)]
struct Details {
    name: String,
    text: Option<Text>,
    /// What was decoded of a property that did not decode as a whole, as JSON.
    parts: Option<Vec<u8>>,
}

/// The text of a property, which may have a number that [`Value`] cannot hold exactly.
#[derive(Clone)]
struct Text {
    /// What the property was read as.
    value: Value,
    json: Box<RawValue>,
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

    /// Returns what was decoded of a property that is here, if parts of it were.
    pub(crate) fn parts(&self, name: &str) -> Option<&[u8]> {
        let properties = self.0.as_deref()?;
        properties.values.get(name)?;
        properties.details(name)?.parts.as_deref()
    }

    /// Removes a property.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(properties) = &mut *self.0 {
            properties.values.remove(name);
            properties.details.retain(|details| details.name != name);
        }
    }

    /// Adds a property, with what was decoded of it. The last of several properties with the same name
    /// is kept.
    pub(crate) fn insert(&mut self, name: String, json: Json<'_>, parts: Option<Vec<u8>>) {
        self.remove(&name);
        let value = json.value();
        let text =
            has_long_number(json.text()).then(|| Text { value: value.clone(), json: json.raw() });
        let properties = self.0.get_or_insert_default();
        if text.is_some() || parts.is_some() {
            properties.details.push(Details { name: name.clone(), text, parts });
        }
        properties.values.insert(name, value);
    }

    /// Returns the properties with their values, and with their texts if these have what the values
    /// cannot hold.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value, Option<&RawValue>)> {
        self.0.iter().flat_map(|properties| {
            properties.values.iter().map(|(name, value)| {
                let text = properties.details(name).and_then(|details| details.text.as_ref());
                // A value that is a string in place of what `Value` cannot hold stays one.
                let text = text.filter(|text| text.value == *value && !text.is_replaced());
                (name.as_str(), value, text.map(|text| &*text.json))
            })
        })
    }
}

impl Properties {
    fn details(&self, name: &str) -> Option<&Details> {
        self.details.iter().find(|details| details.name == name)
    }
}

impl Text {
    fn is_replaced(&self) -> bool {
        self.value.is_string() && !self.json.get().starts_with('"')
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
