//! Arguments that are one value: text, numbers, enums, unions and objects.

use std::borrow::Cow;
use std::fmt::Display;

use runstep_api::{Field, decode_value};
use serde_json::Value;

use super::{FieldType, IntoField, InvalidArgument, TextFieldType};

#[diagnostic::do_not_recommend]
impl<T: FieldType> IntoField<T> for T {
    fn into_field(self) -> Result<Field<T>, InvalidArgument> {
        Ok(Field::Value(self))
    }
}

#[diagnostic::do_not_recommend]
impl<T: FieldType> IntoField<T> for Option<T> {
    fn into_field(self) -> Result<Field<T>, InvalidArgument> {
        Ok(self.into())
    }
}

/// JSON that the type of the field decodes.
#[diagnostic::do_not_recommend]
impl<T: FieldType> IntoField<T> for Value {
    fn into_field(self) -> Result<Field<T>, InvalidArgument> {
        match self {
            Self::Null => Ok(Field::Null),
            value => decode(&value),
        }
    }
}

fn decode<T: FieldType>(value: &Value) -> Result<Field<T>, InvalidArgument> {
    let decoded = decode_value(value).map(Field::Value);
    decoded.map_err(|error| InvalidArgument(format!("is not valid: {error}")))
}

/// Implements the conversions of types that contain text.
macro_rules! text_arguments {
    ($($Text:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoField<String> for $Text {
            #[inline]
            fn into_field(self) -> Result<Field<String>, InvalidArgument> {
                Ok(Field::Value(self.into()))
            }
        }

        #[diagnostic::do_not_recommend]
        impl IntoField<String> for Option<$Text> {
            #[inline]
            fn into_field(self) -> Result<Field<String>, InvalidArgument> {
                Ok(self.map(String::from).into())
            }
        }

        #[diagnostic::do_not_recommend]
        impl<T: TextFieldType> IntoField<T> for $Text {
            #[inline]
            fn into_field(self) -> Result<Field<T>, InvalidArgument> {
                decode(&Value::String(self.into()))
            }
        }
    )+};
}

text_arguments!(String, &str, &String, Box<str>, Cow<'_, str>);

/// An integer type of fields.
trait Bounded {
    const MIN: Self;
    const MAX: Self;
}

impl Bounded for i64 {
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
}

impl Bounded for u64 {
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
}

/// Implements the conversions of numbers to the type of a field.
macro_rules! number_arguments {
    ($Type:ty, $convert:ident: $($Number:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoField<$Type> for $Number {
            #[inline]
            fn into_field(self) -> Result<Field<$Type>, InvalidArgument> {
                $convert(self).map(Field::Value)
            }
        }

        #[diagnostic::do_not_recommend]
        impl IntoField<$Type> for Option<$Number> {
            #[inline]
            fn into_field(self) -> Result<Field<$Type>, InvalidArgument> {
                self.map_or(Ok(Field::Absent), IntoField::into_field)
            }
        }
    )+};
}

number_arguments!(i64, integer: u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
number_arguments!(u64, integer: u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
number_arguments!(f64, number: i8, i16, i32, u8, u16, u32, f64);
number_arguments!(f64, shortest: f32);

fn integer<T, V>(value: V) -> Result<T, InvalidArgument>
where
    T: TryFrom<V> + Bounded + Display,
    V: Copy + Display,
{
    value.try_into().map_err(|_| {
        let (min, max) = (T::MIN, T::MAX);
        InvalidArgument(format!("is {value}; expected an integer from {min} to {max}"))
    })
}

fn number(value: impl Into<f64>) -> Result<f64, InvalidArgument> {
    let value = value.into();
    match value.is_finite() {
        true => Ok(value),
        false => Err(InvalidArgument(format!("is {value}; expected a finite number"))),
    }
}

/// Returns the number with the fewest decimal digits: 0.1 rather than 0.10000000149011612.
fn shortest(value: f32) -> Result<f64, InvalidArgument> {
    number(value.to_string().parse().unwrap_or_else(|_| f64::from(value)))
}
