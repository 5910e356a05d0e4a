//! What the methods of requests accept as values, lists, maps and ids.

mod collections;
mod ids;
mod values;

use std::collections::BTreeMap;

use runstep_api::{Decode, Field};

pub use ids::IntoId;

type TextMap = BTreeMap<String, String>;

/// A value of an optional field of a request.
///
/// `T` is the type of the field. Each type accepts a [`Field`], such as [`Field::Null`], and:
///
/// | type | values | as an `Option` |
/// | --- | --- | --- |
/// | text | `&str`, `String`, `&String`, `Box<str>`, `Cow<str>` | of each |
/// | integer | any integer | of each |
/// | number | `f64`, `f32`, integers of up to 32 bits | of each |
/// | enum, or union with text | the type, a variant, text, [`serde_json::Value`] | of the type |
/// | object, or other union | the type, a variant, [`serde_json::Value`] | of the type |
/// | list | a `Vec`, array or slice, a `&Vec`, or an iterator of items or references | of a `Vec` |
/// | map of text | `BTreeMap`, `HashMap`, arrays, `Vec`s, or an iterator of pairs | of a map |
///
/// `None` leaves the field out. If several kinds of `Option` are accepted, as of text and numbers, the
/// compiler cannot infer the type of a bare `None`. Omit the call instead, or pass [`Field::Absent`].
///
/// A value that the field cannot have, such as a negative integer or JSON that does not decode, is an
/// error of kind [`InvalidRequest`](crate::ErrorKind::InvalidRequest) when the request is sent.
///
/// ```no_run
/// # fn example(runs: runstep::Runs, name: &String, limit: Option<usize>, temperature: f32) {
/// use runstep::Field;
///
/// let request = runs
///     .create("asst_abc123")
///     .model(name)
///     .max_prompt_tokens(limit)
///     .temperature(temperature)
///     .instructions(Field::Null)
///     .tool_choice("auto")
///     .response_format(serde_json::json!({"type": "json_object"}))
///     .metadata([("user_id", "u1")]);
/// # }
/// ```
///
/// The trait is sealed. `Kind` is inferred.
#[diagnostic::on_unimplemented(
    message = "a field of type `{T}` cannot be set to `{Self}`",
    label = "expected `{T}`, a value that converts to it, an `Option` of it, or `Field::Null`",
    note = "see `runstep::IntoField` for the values of each type"
)]
pub trait IntoField<T, Kind = kinds::Value> {
    #[doc(hidden)]
    fn into_field(self) -> Result<Field<T>, InvalidArgument>;
}

/// A type of optional fields that are not text, numbers, lists or maps.
pub trait FieldType: Decode {}

impl FieldType for bool {}

/// A type of fields one of whose values is text.
pub trait TextFieldType: FieldType {}

/// Kinds of arguments, which keep the implementations of [`IntoField`] apart.
mod kinds {
    /// A single value.
    #[derive(Debug)]
    pub struct Value;
    /// A list or a map, or an `Option` of one.
    #[derive(Debug)]
    pub struct Collection;
    /// An iterator of items.
    #[derive(Debug)]
    pub struct Items;
    /// An iterator of references to items.
    #[derive(Debug)]
    pub struct References;
}

/// Why an argument cannot be sent, such as `is -1; expected ...`.
#[derive(Clone, Debug)]
pub struct InvalidArgument(String);

impl InvalidArgument {
    pub(crate) fn reason(&self) -> &str {
        &self.0
    }
}

/// A type of fields that are not lists or maps.
pub trait SingleValue {}

impl<T: FieldType> SingleValue for T {}
impl SingleValue for String {}
impl SingleValue for i64 {}
impl SingleValue for u64 {}
impl SingleValue for f64 {}

#[diagnostic::do_not_recommend]
impl<T: SingleValue> IntoField<T> for Field<T> {
    fn into_field(self) -> Result<Field<T>, InvalidArgument> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T> IntoField<Vec<T>, kinds::Collection> for Field<Vec<T>> {
    fn into_field(self) -> Result<Field<Vec<T>>, InvalidArgument> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoField<TextMap, kinds::Collection> for Field<TextMap> {
    fn into_field(self) -> Result<Field<TextMap>, InvalidArgument> {
        Ok(self)
    }
}
