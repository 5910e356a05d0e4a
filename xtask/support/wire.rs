//! The types that the API has on the wire.
//!
//! Reading is fast, and fails at the first value that is not as the specification says. The text is
//! then read again, and each type makes the best of what is there; see
//! [`tolerant_reader`](crate::tolerant_reader).

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Field;
use crate::json::{Json, Kind};
use crate::mismatch::Mismatch;
use crate::slot::{Invalid, Scalar, ScalarSlot, Target};

/// A type that the API has on the wire.
///
/// Values are read in place, into one that is [`empty`](Self::empty).
pub trait Wire: Serialize + Sized + Send + Sync + 'static {
    /// Returns a value into which another one can be read. It is the value of an optional property that
    /// is absent.
    fn empty() -> Self;

    /// Reads a scalar that is as the specification says. After an error for null, the value is still empty.
    fn read(&mut self, _: Scalar<'_>) -> Result<(), Invalid> {
        Err(Invalid)
    }

    /// Returns where the contents of the value are read.
    fn target(&mut self) -> Target<'_>;

    /// Appends the JSON text, which is the text that [`Serialize`] writes.
    fn write(&self, json: &mut Vec<u8>);

    /// Returns whether the value is [`empty`](Self::empty). Lists and maps need not be written for it:
    /// those within others would be written twice at each level.
    fn is_empty_value(&self) -> bool {
        self.to_json() == Self::empty().to_json()
    }

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

impl<T: Wire> Wire for Option<T> {
    fn empty() -> Self {
        None
    }

    fn read(&mut self, value: Scalar<'_>) -> Result<(), Invalid> {
        match value {
            Scalar::Null => Ok(()),
            value => self.insert(T::empty()).read(value),
        }
    }

    fn target(&mut self) -> Target<'_> {
        self.insert(T::empty()).target()
    }

    fn write(&self, json: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(json),
            None => json.extend(b"null"),
        }
    }
}

impl<T: Wire> Wire for Field<T> {
    fn empty() -> Self {
        Self::Absent
    }

    fn read(&mut self, value: Scalar<'_>) -> Result<(), Invalid> {
        match value {
            Scalar::Null => {
                *self = Self::Null;
                Ok(())
            }
            value => self.insert(T::empty()).read(value),
        }
    }

    fn target(&mut self) -> Target<'_> {
        self.insert(T::empty()).target()
    }

    fn write(&self, json: &mut Vec<u8>) {
        match self {
            Self::Value(value) => value.write(json),
            Self::Absent | Self::Null => json.extend(b"null"),
        }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn empty() -> Self {
        Self::new(T::empty())
    }

    fn read(&mut self, value: Scalar<'_>) -> Result<(), Invalid> {
        T::read(self, value)
    }

    fn target(&mut self) -> Target<'_> {
        T::target(self)
    }

    fn write(&self, json: &mut Vec<u8>) {
        T::write(self, json);
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn empty() -> Self {
        Self::new()
    }

    fn target(&mut self) -> Target<'_> {
        Target::List(self)
    }

    fn is_empty_value(&self) -> bool {
        self.is_empty()
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
    fn empty() -> Self {
        Self::new()
    }

    fn target(&mut self) -> Target<'_> {
        Target::Map(self)
    }

    fn is_empty_value(&self) -> bool {
        self.is_empty()
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

impl Wire for Value {
    fn empty() -> Self {
        Self::Null
    }

    fn read(&mut self, value: Scalar<'_>) -> Result<(), Invalid> {
        *self = value.into();
        Ok(())
    }

    fn target(&mut self) -> Target<'_> {
        Target::Json(self)
    }

    fn write(&self, json: &mut Vec<u8>) {
        append(json, self);
    }
}

impl Wire for Map<String, Value> {
    fn empty() -> Self {
        Self::new()
    }

    fn target(&mut self) -> Target<'_> {
        Target::JsonObject(self)
    }

    fn is_empty_value(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, json: &mut Vec<u8>) {
        append(json, self);
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

            fn read(&mut self, $value: Scalar<'_>) -> Result<(), Invalid> {
                *self = $read.ok_or(Invalid)?;
                Ok(())
            }

            fn target(&mut self) -> Target<'_> {
                Target::Scalar(self)
            }

            fn write(&self, json: &mut Vec<u8>) {
                append(json, self);
            }
        }

        impl ScalarSlot for $Type {
            fn decode(&mut self, $json: Json<'_>) -> Result<(), Mismatch> {
                *self = $decoded.ok_or_else(|| Mismatch::kind($json, $expected))?;
                Ok(())
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
        value => value.number().and_then(short),
        json => number(json).and_then(short);
    (): "null",
        value => matches!(value, Scalar::Null).then_some(()),
        json => json.is_null().then_some(());
}

impl Scalar<'_> {
    fn boolean(self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(value),
            _ => None,
        }
    }

    fn integer(self) -> Option<i128> {
        match self {
            Self::Unsigned(number) => Some(number.into()),
            Self::Signed(number) => Some(number.into()),
            _ => None,
        }
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::Unsigned(number) => Some(number as f64),
            Self::Signed(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            _ => None,
        }
    }
}

impl<'a> Scalar<'a> {
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<Scalar<'_>> for Value {
    fn from(scalar: Scalar<'_>) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Boolean(value) => value.into(),
            Scalar::Unsigned(number) => number.into(),
            Scalar::Signed(number) => number.into(),
            Scalar::Float(number) => number.into(),
            Scalar::Text(text) => text.into(),
        }
    }
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

/// Returns the text of a number, or of a string that may be one.
fn digits(json: Json<'_>) -> Option<Cow<'_, str>> {
    match json.kind() {
        Kind::Number => Some(json.text().into()),
        Kind::String => json.string().map(|text| text.trim().to_owned().into()),
        _ => None,
    }
}

fn number(json: Json<'_>) -> Option<f64> {
    serde_json::from_str(&digits(json)?).ok()
}

/// Returns a number as `f32`, unless it is out of range: infinity would be written as null.
fn short(number: f64) -> Option<f32> {
    Some(number as f32).filter(|number| number.is_finite())
}

fn integer(json: Json<'_>) -> Option<i128> {
    /// All integers up to here are exact.
    const MAX_EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    digits(json)?.parse().ok().or_else(|| {
        let number = number(json)?;
        (number.fract() == 0.0 && number.abs() <= MAX_EXACT).then_some(number as i128)
    })
}
