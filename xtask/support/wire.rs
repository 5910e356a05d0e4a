//! How values are decoded: strictly while a text is read, and tolerantly from parsed JSON.
//!
//! Reading is fast, and fails at the first value that is not as the specification says. The text is
//! then parsed, and each type makes the best of what is there; see [`Wire::from_json`].

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A type that the API has on the wire.
pub trait Wire: Sized {
    /// Reads a value that is as the specification says.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Decodes a value that differs from the specification:
    ///
    /// - A string that is another kind of value, other than an enum, is its JSON text.
    /// - A number may be a numeric string, and an integer may be written with a decimal point.
    /// - An optional property of the wrong kind is absent, and its value is kept. A list or map has
    ///   the items that decode, and the whole list or map is kept.
    /// - A variant of a union that does not decode is unknown.
    fn from_json(json: &Value) -> Result<Self, Mismatch>;

    /// Decodes the parts of a value that decode, if it has parts.
    fn readable_parts(_: &Value) -> Option<Self> {
        None
    }
}

/// A type of this crate, or a collection of such types, which [`decode`](crate::decode()) accepts.
pub trait Decode: Wire {}

impl<T: Wire> Decode for T {}

/// Why a value does not decode.
#[derive(Debug)]
pub struct Mismatch {
    /// From the value to the whole.
    path: Vec<Step>,
    reason: String,
}

#[derive(Debug)]
enum Step {
    Property(String),
    Index(usize),
}

impl Mismatch {
    /// The value is of the wrong kind.
    pub(crate) fn kind(found: &Value, expected: &str) -> Self {
        let found = match found {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => format!("boolean `{value}`"),
            Value::Number(value) if value.is_f64() => format!("floating point `{value}`"),
            Value::Number(value) => format!("integer `{value}`"),
            Value::String(text) => format!("string {text:?}"),
            Value::Array(_) => "sequence".to_owned(),
            Value::Object(_) => "map".to_owned(),
        };
        let reason = format!("invalid type: {found}, expected {expected}");
        Self { path: Vec::new(), reason }
    }

    pub(crate) fn missing(property: &str) -> Self {
        Self { path: Vec::new(), reason: format!("missing field `{property}`") }
    }

    pub(crate) fn inside(mut self, property: &str) -> Self {
        self.path.push(Step::Property(property.to_owned()));
        self
    }

    pub(crate) fn at(mut self, index: usize) -> Self {
        self.path.push(Step::Index(index));
        self
    }

    /// Returns a text with the path and an excerpt of the value.
    pub(crate) fn describe(&self, whole: &Value) -> String {
        let mut path = String::new();
        let mut value = Some(whole);
        for step in self.path.iter().rev() {
            value = value.and_then(|value| match step {
                Step::Property(name) => value.get(name),
                Step::Index(index) => value.get(index),
            });
            match step {
                Step::Property(name) if path.is_empty() => path.push_str(name),
                Step::Property(name) => path.extend([".", name]),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        let location =
            if path.is_empty() { "the top level".to_owned() } else { format!("`{path}`") };
        let found = crate::decode::excerpt(&value.unwrap_or(whole).to_string());
        format!("at {location}: {}; found: {found}", self.reason)
    }
}

/// Reads a value inside another one.
pub(crate) struct Seed<T>(PhantomData<T>);

impl<T> Seed<T> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Wire> DeserializeSeed<'de> for Seed<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

/// Reads a value or null.
impl<'de, T: Wire> Visitor<'de> for Seed<Option<T>> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        T::read(deserializer).map(Some)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(Seed::<Self>::new())
    }

    fn from_json(json: &Value) -> Result<Self, Mismatch> {
        if json.is_null() { Ok(None) } else { T::from_json(json).map(Some) }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self::new)
    }

    fn from_json(json: &Value) -> Result<Self, Mismatch> {
        T::from_json(json).map(Self::new)
    }
}

impl<'de, T: Wire> Visitor<'de> for Seed<Vec<T>> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Seed::new())? {
            values.push(value);
        }
        Ok(values)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Seed::<Self>::new())
    }

    fn from_json(json: &Value) -> Result<Self, Mismatch> {
        let items = json.as_array().ok_or_else(|| Mismatch::kind(json, "a sequence"))?;
        let items = items.iter().enumerate();
        items.map(|(index, item)| T::from_json(item).map_err(|error| error.at(index))).collect()
    }

    fn readable_parts(json: &Value) -> Option<Self> {
        Some(json.as_array()?.iter().filter_map(|item| T::from_json(item).ok()).collect())
    }
}

impl<'de, T: Wire> Visitor<'de> for Seed<BTreeMap<String, T>> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(key) = entries.next_key()? {
            values.insert(key, entries.next_value_seed(Seed::new())?);
        }
        Ok(values)
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Seed::<Self>::new())
    }

    fn from_json(json: &Value) -> Result<Self, Mismatch> {
        let entries = json.as_object().ok_or_else(|| Mismatch::kind(json, "a map"))?;
        let entries = entries.iter().map(|(key, value)| {
            let value = T::from_json(value).map_err(|error| error.inside(key))?;
            Ok((key.clone(), value))
        });
        entries.collect()
    }

    fn readable_parts(json: &Value) -> Option<Self> {
        let entries = json.as_object()?.iter();
        let readable =
            entries.filter_map(|(key, value)| Some((key.clone(), T::from_json(value).ok()?)));
        Some(readable.collect())
    }
}

/// Implements [`Wire`] for types that serde reads, with the conversion from JSON of another form.
macro_rules! scalars {
    ($($Type:ty: $expected:literal, $json:ident => $value:expr;)+) => {$(
        impl Wire for $Type {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$Type>::deserialize(deserializer)
            }

            fn from_json($json: &Value) -> Result<Self, Mismatch> {
                $value.ok_or_else(|| Mismatch::kind($json, $expected))
            }
        }
    )+};
}

scalars! {
    String: "a string", json => text(json);
    bool: "a boolean", json => json.as_bool();
    f64: "a number", json => number(json);
    f32: "a number", json => number(json).map(|number| number as Self);
    u8: "an integer", json => integer(json).and_then(|integer| integer.try_into().ok());
    u16: "an integer", json => integer(json).and_then(|integer| integer.try_into().ok());
    u32: "an integer", json => integer(json).and_then(|integer| integer.try_into().ok());
    u64: "an integer", json => integer(json).and_then(|integer| integer.try_into().ok());
    i8: "an integer", json => integer(json).and_then(|integer| integer.try_into().ok());
    i16: "an integer", json => integer(json).and_then(|integer| integer.try_into().ok());
    i32: "an integer", json => integer(json).and_then(|integer| integer.try_into().ok());
    i64: "an integer", json => integer(json).and_then(|integer| integer.try_into().ok());
    (): "null", json => json.as_null();
    Value: "a value", json => Some(json.clone());
    Map<String, Value>: "a map", json => json.as_object().cloned();
}

/// Returns a string, or the JSON text of any other value.
fn text(json: &Value) -> Option<String> {
    match json {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn number(json: &Value) -> Option<f64> {
    match json {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn integer(json: &Value) -> Option<i128> {
    /// All integers up to here are exact.
    const MAX_EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    let exact = match json {
        Value::Number(number) => {
            number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from))
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    exact.or_else(|| {
        let number = number(json)?;
        (number.fract() == 0.0 && number.abs() <= MAX_EXACT).then_some(number as i128)
    })
}
