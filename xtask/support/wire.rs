//! How values are decoded: strictly while a text is read, and tolerantly from the texts of values.
//!
//! Reading is fast, and fails at the first value that is not as the specification says. The text is
//! then read again, and each type makes the best of what is there; see [`Wire::from_json`].

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::{Json, Kind};

/// A type that the API has on the wire.
pub trait Wire: Serialize + Sized + Send + Sync + 'static {
    /// Reads a value that is as the specification says.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Decodes a value that differs from the specification:
    ///
    /// - A string that is another kind of value, other than an enum, is its JSON text.
    /// - A number may be a numeric string, and an integer may be written with a decimal point. A boolean
    ///   may be such a string, or 0 or 1.
    /// - An optional property of the wrong kind is absent, and its value is kept. A list or map has
    ///   the items that decode, and the whole list or map is kept.
    /// - A variant of a union that does not decode is unknown.
    fn from_json(json: Json<'_>) -> Result<Self, Mismatch>;

    /// Decodes the parts of a value that decode, if it has parts.
    fn readable_parts(_: Json<'_>) -> Option<Self> {
        None
    }

    /// Returns the JSON text. Generated types implement it as [`to_vec`] does, because a function
    /// without type parameters is compiled in this crate only, and `to_vec` in each crate that calls
    /// it.
    ///
    /// [`to_vec`]: serde_json::to_vec
    fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// A type of this crate, or a collection of such types, which [`decode`](crate::decode()) accepts.
pub trait Decode: Wire {}

impl<T: Wire> Decode for T {}

/// Why a value does not decode.
#[derive(Debug)]
pub struct Mismatch(Box<Reason>);

#[derive(Debug)]
struct Reason {
    /// From the value to the whole.
    path: Vec<Step>,
    text: String,
}

#[derive(Debug)]
enum Step {
    Property(String),
    Index(usize),
}

impl Mismatch {
    fn new(text: String) -> Self {
        Self(Box::new(Reason { path: Vec::new(), text }))
    }

    /// The value is of the wrong kind.
    #[cold]
    #[inline(never)]
    pub(crate) fn kind(found: Json<'_>, expected: &str) -> Self {
        let text = crate::decode::excerpt(found.text());
        let found = match found.kind() {
            Kind::Null => "null".to_owned(),
            Kind::Boolean => format!("boolean `{text}`"),
            Kind::Number if text.contains(['.', 'e', 'E']) => format!("floating point `{text}`"),
            Kind::Number => format!("integer `{text}`"),
            Kind::String => format!("string {text}"),
            Kind::List => "sequence".to_owned(),
            Kind::Object => "map".to_owned(),
        };
        Self::new(format!("invalid type: {found}, expected {expected}"))
    }

    pub(crate) fn too_deep() -> Self {
        Self::new("the value is nested too deeply".to_owned())
    }

    pub(crate) fn missing(property: &str) -> Self {
        Self::new(format!("missing field `{property}`"))
    }

    pub(crate) fn inside(mut self, property: &str) -> Self {
        self.0.path.push(Step::Property(property.to_owned()));
        self
    }

    pub(crate) fn at(mut self, index: usize) -> Self {
        self.0.path.push(Step::Index(index));
        self
    }

    /// Returns a text with the path and an excerpt of the value.
    pub(crate) fn describe(&self, whole: Json<'_>) -> String {
        let mut path = String::new();
        let mut value = Some(whole);
        for step in self.0.path.iter().rev() {
            value = value.and_then(|value| match step {
                Step::Property(name) => {
                    let mut entries = value.entries()?.into_iter().rev();
                    entries.find(|(key, _)| key == name).map(|(_, value)| value)
                }
                Step::Index(index) => value.items()?.get(*index).copied(),
            });
            match step {
                Step::Property(name) if path.is_empty() => path.push_str(name),
                Step::Property(name) => path.extend([".", name]),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        let location =
            if path.is_empty() { "the top level".to_owned() } else { format!("`{path}`") };
        let found = value.unwrap_or(whole).excerpt();
        format!("at {location}: {}; found: {found}", self.0.text)
    }
}

/// Reads a text that is as the specification says.
pub(crate) fn read_text<T: Wire>(text: &str) -> Result<T, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    T::read(&mut deserializer).and_then(|value| deserializer.end().map(|()| value))
}

/// Reads a value whose text is known to be one value.
pub(crate) fn read_part<T: Wire>(text: &RawValue) -> Result<T, serde_json::Error> {
    T::read(&mut serde_json::Deserializer::from_str(text.get()))
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

    fn from_json(json: Json<'_>) -> Result<Self, Mismatch> {
        if json.is_null() { Ok(None) } else { T::from_json(json).map(Some) }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self::new)
    }

    fn from_json(json: Json<'_>) -> Result<Self, Mismatch> {
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

    fn from_json(json: Json<'_>) -> Result<Self, Mismatch> {
        let items = json.items().ok_or_else(|| Mismatch::kind(json, "a sequence"))?;
        let items = items.into_iter().enumerate();
        items.map(|(index, item)| T::from_json(item).map_err(|error| error.at(index))).collect()
    }

    fn readable_parts(json: Json<'_>) -> Option<Self> {
        if json.is_null() {
            return Some(Self::new());
        }
        Some(json.items()?.into_iter().filter_map(|item| T::from_json(item).ok()).collect())
    }

    fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = vec![b'['];
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend(item.to_json()?);
        }
        json.push(b']');
        Ok(json)
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

    fn from_json(json: Json<'_>) -> Result<Self, Mismatch> {
        let entries = json.entries().ok_or_else(|| Mismatch::kind(json, "a map"))?;
        let entries = entries.into_iter().map(|(key, value)| match T::from_json(value) {
            Ok(value) => Ok((key, value)),
            Err(error) => Err(error.inside(&key)),
        });
        entries.collect()
    }

    fn readable_parts(json: Json<'_>) -> Option<Self> {
        if json.is_null() {
            return Some(Self::new());
        }
        let entries = json.entries()?.into_iter();
        Some(entries.filter_map(|(key, value)| Some((key, T::from_json(value).ok()?))).collect())
    }
}

/// Implements [`Wire`] for types that serde reads, with the conversion from JSON of another form.
macro_rules! scalars {
    ($($Type:ty: $expected:literal, $json:ident => $value:expr;)+) => {$(
        impl Wire for $Type {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$Type>::deserialize(deserializer)
            }

            fn from_json($json: Json<'_>) -> Result<Self, Mismatch> {
                $value.ok_or_else(|| Mismatch::kind($json, $expected))
            }
        }
    )+};
}

scalars! {
    String: "a string", json => text(json);
    bool: "a boolean", json => boolean(json);
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
    (): "null", json => json.is_null().then_some(());
    Value: "a value", json => Some(json.value());
    Map<String, Value>: "a map", json => map(json);
}

/// Returns a string, or the JSON text of any other value.
fn text(json: Json<'_>) -> Option<String> {
    match json.kind() {
        Kind::Null => None,
        Kind::String => json.string().map(Cow::into_owned),
        _ => Some(json.text().to_owned()),
    }
}

/// Returns a boolean, which may be a string or the number 0 or 1.
fn boolean(json: Json<'_>) -> Option<bool> {
    match json.text().trim_matches('"') {
        "true" | "True" | "1" => Some(true),
        "false" | "False" | "0" => Some(false),
        _ => None,
    }
}

fn map(json: Json<'_>) -> Option<Map<String, Value>> {
    let entries = json.entries()?.into_iter();
    Some(entries.map(|(name, value)| (name, value.value())).collect())
}

/// Returns the text of a number, or of a string that may be one.
fn digits(json: Json<'_>) -> Option<Cow<'_, str>> {
    match json.kind() {
        Kind::Number => Some(json.text().into()),
        Kind::String => json.string().map(|text| text.trim().to_owned().into()),
        _ => None,
    }
}

fn number(json: Json<'_>) -> Option<f64> {
    digits(json)?.parse().ok().filter(|number: &f64| number.is_finite())
}

fn integer(json: Json<'_>) -> Option<i128> {
    /// All integers up to here are exact.
    const MAX_EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    digits(json)?.parse().ok().or_else(|| {
        let number = number(json)?;
        (number.fract() == 0.0 && number.abs() <= MAX_EXACT).then_some(number as i128)
    })
}
