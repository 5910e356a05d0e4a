//! How values are decoded: strictly while a text is read, and tolerantly from the texts of values.
//!
//! Reading is fast, and fails at the first value that is not as the specification says. The text is
//! then read again, and each type makes the best of what is there; see [`Wire::from_json`].

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Field;
use crate::incoming::{Incoming, Invalid};
use crate::json::{Json, Kind};

/// A type that the API has on the wire.
///
/// Values are read in place: into one that is [`empty`](Self::empty). After an error, what it holds is
/// not specified.
pub trait Wire: Serialize + Sized + Send + Sync + 'static {
    /// Returns a value into which another one can be read. It is the value of an optional property that
    /// is absent.
    fn empty() -> Self;

    /// Reads a value that is as the specification says.
    fn read(&mut self, value: Incoming<'_, '_>) -> Result<(), Invalid>;

    /// Reads null in place of an optional value.
    fn read_null(&mut self) {}

    /// Decodes a value that differs from the specification:
    ///
    /// - A string that is another kind of value, other than an enum, is its JSON text.
    /// - A number may be a numeric string, and an integer may be written with a decimal point. A boolean
    ///   may be such a string, or 0 or 1.
    /// - An optional property of the wrong kind is absent, and its value is kept. A list or map has
    ///   the items that decode, and the whole list or map is kept.
    /// - A variant of a union that does not decode is unknown.
    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch>;

    /// Decodes the parts of a value that decode, if it has parts. Returns them as JSON.
    fn decode_parts(&mut self, _: Json<'_>) -> Option<Vec<u8>> {
        None
    }

    /// Returns where a value is decoded, which is inside an optional one.
    fn content(&mut self) -> &mut dyn Content {
        self
    }

    /// Appends the JSON text, which is the text that [`Serialize`] writes.
    fn write(&self, json: &mut Vec<u8>);

    /// Returns the JSON text.
    fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(128);
        Wire::write(self, &mut json);
        json
    }
}

/// A value of any type. What handles such values is compiled once.
pub trait Content {
    /// Decodes a value that differs from the specification.
    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch>;

    /// Decodes the parts of a value that decode, if it has parts. Returns them as JSON.
    fn decode_parts(&mut self, json: Json<'_>) -> Option<Vec<u8>>;
}

impl<T: Wire> Content for T {
    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch> {
        Wire::decode(self, json)
    }

    fn decode_parts(&mut self, json: Json<'_>) -> Option<Vec<u8>> {
        Wire::decode_parts(self, json)
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

impl<T: Wire> Wire for Option<T> {
    fn empty() -> Self {
        None
    }

    fn read(&mut self, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        match value {
            Incoming::Null => Ok(()),
            value => Wire::read(self.insert(T::empty()), value),
        }
    }

    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch> {
        if json.is_null() { Ok(()) } else { Wire::decode(self.insert(T::empty()), json) }
    }

    fn content(&mut self) -> &mut dyn Content {
        self.insert(T::empty())
    }

    fn write(&self, json: &mut Vec<u8>) {
        match self {
            Some(value) => Wire::write(value, json),
            None => json.extend(b"null"),
        }
    }
}

impl<T: Wire> Wire for Field<T> {
    fn empty() -> Self {
        Self::Absent
    }

    fn read(&mut self, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        Wire::read(self.insert(T::empty()), value)
    }

    fn read_null(&mut self) {
        *self = Self::Null;
    }

    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch> {
        Wire::decode(self.insert(T::empty()), json)
    }

    fn content(&mut self) -> &mut dyn Content {
        self.insert(T::empty())
    }

    fn write(&self, json: &mut Vec<u8>) {
        match self {
            Self::Value(value) => Wire::write(value, json),
            Self::Absent | Self::Null => json.extend(b"null"),
        }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn empty() -> Self {
        Self::new(T::empty())
    }

    fn read(&mut self, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        T::read(self, value)
    }

    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch> {
        T::decode(self, json)
    }

    fn write(&self, json: &mut Vec<u8>) {
        T::write(self, json);
    }
}

// Loops, and not iterators, because these functions are compiled for each type of item.

impl<T: Wire> Wire for Vec<T> {
    fn empty() -> Self {
        Self::new()
    }

    fn read(&mut self, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        let Incoming::List(unread) = value else { return Err(Invalid) };
        loop {
            let mut item = T::empty();
            if !unread.next(&mut item)? {
                return Ok(());
            }
            self.push(item);
        }
    }

    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch> {
        for unread in json.items().ok_or_else(|| Mismatch::kind(json, "a sequence"))? {
            let mut item = T::empty();
            Wire::decode(&mut item, unread).map_err(|error| error.at(self.len()))?;
            self.push(item);
        }
        Ok(())
    }

    fn decode_parts(&mut self, json: Json<'_>) -> Option<Vec<u8>> {
        for unread in if json.is_null() { Vec::new() } else { json.items()? } {
            let mut item = T::empty();
            if Wire::decode(&mut item, unread).is_ok() {
                self.push(item);
            }
        }
        Some(self.to_json())
    }

    fn write(&self, json: &mut Vec<u8>) {
        json.push(b'[');
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            Wire::write(item, json);
        }
        json.push(b']');
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn empty() -> Self {
        Self::new()
    }

    fn read(&mut self, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        let Incoming::Object(unread) = value else { return Err(Invalid) };
        let mut name = Cow::Borrowed("");
        while unread.next(&[], 0, &mut name)?.is_some() {
            let mut value = T::empty();
            unread.value(&mut value, false)?;
            self.insert(std::mem::take(&mut name).into_owned(), value);
        }
        Ok(())
    }

    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch> {
        for (name, unread) in json.entries().ok_or_else(|| Mismatch::kind(json, "a map"))? {
            let mut value = T::empty();
            Wire::decode(&mut value, unread).map_err(|error| error.inside(&name))?;
            self.insert(name, value);
        }
        Ok(())
    }

    fn decode_parts(&mut self, json: Json<'_>) -> Option<Vec<u8>> {
        for (name, unread) in if json.is_null() { Vec::new() } else { json.entries()? } {
            let mut value = T::empty();
            if Wire::decode(&mut value, unread).is_ok() {
                self.insert(name, value);
            }
        }
        Some(self.to_json())
    }

    fn write(&self, json: &mut Vec<u8>) {
        json.push(b'{');
        for (index, (name, value)) in self.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            append(json, name.as_str());
            json.push(b':');
            Wire::write(value, json);
        }
        json.push(b'}');
    }
}

/// Appends a value that `serde_json` writes without an error: a text, a number, or a [`Value`].
pub(crate) fn append(json: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    #[allow(clippy::expect_used, reason = "memory has no errors, and names are texts")]
    serde_json::to_writer(json, value).expect("the value has no names other than texts");
}

/// Implements [`Wire`] for scalars, with the conversions from JSON that is as the specification says,
/// and from JSON of another form.
macro_rules! scalars {
    ($($Type:ty: $expected:literal, $value:ident => $read:expr, $json:ident => $decoded:expr;)+) => {$(
        impl Wire for $Type {
            fn empty() -> Self {
                Self::default()
            }

            fn read(&mut self, $value: Incoming<'_, '_>) -> Result<(), Invalid> {
                *self = $read.ok_or(Invalid)?;
                Ok(())
            }

            fn decode(&mut self, $json: Json<'_>) -> Result<(), Mismatch> {
                *self = $decoded.ok_or_else(|| Mismatch::kind($json, $expected))?;
                Ok(())
            }

            fn write(&self, json: &mut Vec<u8>) {
                append(json, self);
            }
        }
    )+};
}

/// Implements [`Wire`] for integers.
macro_rules! integers {
    ($($Type:ty),+) => {
        scalars! {$(
            $Type: "an integer",
            value => value.integer().and_then(|integer| integer.try_into().ok()),
            json => integer(json).and_then(|integer| integer.try_into().ok());
        )+}
    };
}

integers! { u8, u16, u32, u64, i8, i16, i32, i64 }

scalars! {
    String: "a string", value => value.text().map(str::to_owned), json => text(json);
    bool: "a boolean", value => value.boolean(), json => boolean(json);
    f64: "a number", value => value.number(), json => number(json);
    f32: "a number",
        value => value.number().map(|number| number as Self),
        json => number(json).map(|number| number as Self);
    (): "null", value => matches!(value, Incoming::Null).then_some(()), json => json.is_null().then_some(());
    Value: "a value", value => value.into_json().ok(), json => Some(json.value());
    Map<String, Value>: "a map",
        value => match value {
            Incoming::Object(properties) => properties.json().ok(),
            _ => None,
        },
        json => map(json);
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
