//! How values are decoded: strictly while a text is read, and tolerantly from the texts of values.
//!
//! Reading is fast, and fails at the first value that is not as the specification says. The text is
//! then read again, and each type makes the best of what is there; see [`Wire::from_json`].

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::incoming::{Incoming, Invalid};
use crate::json::{Json, Kind};

/// A type that the API has on the wire.
pub trait Wire: Serialize + Sized + Send + Sync + 'static {
    /// Reads a value that is as the specification says, into a slot.
    fn read(slot: &mut Option<Self>, value: Incoming<'_, '_>) -> Result<(), Invalid>;

    /// Decodes a value that differs from the specification:
    ///
    /// - A string that is another kind of value, other than an enum, is its JSON text.
    /// - A number may be a numeric string, and an integer may be written with a decimal point. A boolean
    ///   may be such a string, or 0 or 1.
    /// - An optional property of the wrong kind is absent, and its value is kept. A list or map has
    ///   the items that decode, and the whole list or map is kept.
    /// - A variant of a union that does not decode is unknown.
    fn decode(slot: &mut Option<Self>, json: Json<'_>) -> Result<(), Mismatch>;

    /// Decodes the parts of a value that decode, if it has parts. Returns them as JSON.
    fn decode_parts(_: &mut Option<Self>, _: Json<'_>) -> Option<Vec<u8>> {
        None
    }

    /// Appends the JSON text, which is the text that [`Serialize`] writes.
    fn write(&self, json: &mut Vec<u8>);

    /// Returns the JSON text.
    fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(128);
        self.write(&mut json);
        json
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
    fn read(slot: &mut Option<Self>, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        let slot = slot.insert(None);
        if matches!(value, Incoming::Null) { Ok(()) } else { T::read(slot, value) }
    }

    fn decode(slot: &mut Option<Self>, json: Json<'_>) -> Result<(), Mismatch> {
        let slot = slot.insert(None);
        if json.is_null() { Ok(()) } else { T::decode(slot, json) }
    }

    fn write(&self, json: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(json),
            None => json.extend(b"null"),
        }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn read(slot: &mut Option<Self>, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        let mut content = None;
        T::read(&mut content, value)?;
        *slot = content.map(Self::new);
        Ok(())
    }

    fn decode(slot: &mut Option<Self>, json: Json<'_>) -> Result<(), Mismatch> {
        let mut content = None;
        T::decode(&mut content, json)?;
        *slot = content.map(Self::new);
        Ok(())
    }

    fn write(&self, json: &mut Vec<u8>) {
        T::write(self, json);
    }
}

// Loops, and not iterators, because these functions are compiled for each type of item.

impl<T: Wire> Wire for Vec<T> {
    fn read(slot: &mut Option<Self>, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        let Incoming::List(unread) = value else { return Err(Invalid) };
        let (items, mut next) = (slot.insert(Self::new()), None);
        while unread.next(&mut next)? {
            if let Some(item) = next.take() {
                items.push(item);
            }
        }
        Ok(())
    }

    fn decode(slot: &mut Option<Self>, json: Json<'_>) -> Result<(), Mismatch> {
        let unread = json.items().ok_or_else(|| Mismatch::kind(json, "a sequence"))?;
        let (items, mut next) = (slot.insert(Self::new()), None);
        for item in unread {
            T::decode(&mut next, item).map_err(|error| error.at(items.len()))?;
            if let Some(item) = next.take() {
                items.push(item);
            }
        }
        Ok(())
    }

    fn decode_parts(slot: &mut Option<Self>, json: Json<'_>) -> Option<Vec<u8>> {
        let unread = if json.is_null() { Vec::new() } else { json.items()? };
        let (items, mut next) = (slot.insert(Self::new()), None);
        for item in unread {
            if let (Ok(()), Some(item)) = (T::decode(&mut next, item), next.take()) {
                items.push(item);
            }
        }
        Some(items.to_json())
    }

    fn write(&self, json: &mut Vec<u8>) {
        json.push(b'[');
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            item.write(json);
        }
        json.push(b']');
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn read(slot: &mut Option<Self>, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        let Incoming::Object(unread) = value else { return Err(Invalid) };
        let (entries, mut name, mut next) = (slot.insert(Self::new()), Cow::Borrowed(""), None);
        while unread.next(&[], 0, &mut name)?.is_some() {
            unread.value(&mut next, false)?;
            if let Some(value) = next.take() {
                entries.insert(std::mem::take(&mut name).into_owned(), value);
            }
        }
        Ok(())
    }

    fn decode(slot: &mut Option<Self>, json: Json<'_>) -> Result<(), Mismatch> {
        let unread = json.entries().ok_or_else(|| Mismatch::kind(json, "a map"))?;
        let (entries, mut next) = (slot.insert(Self::new()), None);
        for (name, value) in unread {
            T::decode(&mut next, value).map_err(|error| error.inside(&name))?;
            if let Some(value) = next.take() {
                entries.insert(name, value);
            }
        }
        Ok(())
    }

    fn decode_parts(slot: &mut Option<Self>, json: Json<'_>) -> Option<Vec<u8>> {
        let unread = if json.is_null() { Vec::new() } else { json.entries()? };
        let (entries, mut next) = (slot.insert(Self::new()), None);
        for (name, value) in unread {
            if let (Ok(()), Some(value)) = (T::decode(&mut next, value), next.take()) {
                entries.insert(name, value);
            }
        }
        Some(entries.to_json())
    }

    fn write(&self, json: &mut Vec<u8>) {
        json.push(b'{');
        for (index, (name, value)) in self.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            append(json, name.as_str());
            json.push(b':');
            value.write(json);
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
            fn read(slot: &mut Option<Self>, $value: Incoming<'_, '_>) -> Result<(), Invalid> {
                *slot = $read;
                if slot.is_some() { Ok(()) } else { Err(Invalid) }
            }

            fn decode(slot: &mut Option<Self>, $json: Json<'_>) -> Result<(), Mismatch> {
                *slot = $decoded;
                if slot.is_some() { Ok(()) } else { Err(Mismatch::kind($json, $expected)) }
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
