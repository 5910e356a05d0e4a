//! The properties of an object that the specification does not list.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::ser::SerializeMap;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::Json;

/// Numbers with fewer digits are the same number as an integer of 64 bits or as `f64`.
const MIN_INEXACT_DIGITS: usize = 16;

/// The properties of an object that the specification does not list, and those whose values are of
/// the wrong kind.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Other(Option<Box<Properties>>);

#[derive(Clone, Default)]
struct Properties {
    values: Map<String, Value>,
    texts: BTreeMap<String, Text>,
    /// What was decoded of properties that did not decode as a whole.
    parts: BTreeMap<String, Arc<dyn Any + Send + Sync>>,
}

impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
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
    pub(crate) fn parts(&self, name: &str) -> Option<&(dyn Any + Send + Sync)> {
        let properties = self.0.as_deref()?;
        properties.values.get(name)?;
        properties.parts.get(name).map(|parts| &**parts)
    }

    /// Adds the decoded parts of a property that is here.
    pub(crate) fn insert_parts<T: Send + Sync + 'static>(&mut self, name: &str, parts: T) {
        if let Some(properties) = &mut self.0 {
            properties.parts.insert(name.to_owned(), Arc::new(parts));
        }
    }

    /// Removes a property.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(properties) = &mut self.0 {
            properties.values.remove(name);
            properties.texts.remove(name);
            properties.parts.remove(name);
        }
    }

    /// Adds a property. The last of several properties with the same name is kept.
    pub(crate) fn insert(&mut self, name: String, json: Json<'_>) {
        let value = json.value();
        let properties = self.0.get_or_insert_default();
        properties.texts.remove(&name);
        properties.parts.remove(&name);
        if has_long_number(json.text())
            && let Ok(json) = RawValue::from_string(json.text().to_owned())
        {
            properties.texts.insert(name.clone(), Text { value: value.clone(), json });
        }
        properties.values.insert(name, value);
    }

    /// Writes the properties that have not been written. In text, numbers are written as they were
    /// received.
    pub(crate) fn write<M: SerializeMap>(
        &self,
        map: &mut M,
        written: &[&str],
        is_text: bool,
    ) -> Result<(), M::Error> {
        let Some(properties) = &self.0 else { return Ok(()) };
        for (name, value) in &properties.values {
            if written.contains(&name.as_str()) {
                continue;
            }
            let text = properties.texts.get(name).filter(|_| is_text);
            match text.filter(|text| text.value == *value) {
                // A value that is a string in place of what `Value` cannot hold stays one.
                Some(text) if !text.is_replaced() => map.serialize_entry(name, &text.json)?,
                _ => map.serialize_entry(name, value)?,
            }
        }
        Ok(())
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
