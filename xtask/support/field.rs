//! Fields that may be absent or null: different values in a request, the same in a response.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A field that may be absent, null, or have a value. The default is absent.
///
/// Setters take `impl Into<Field<T>>`: a value, an `Option` of one (`None` is absent), or
/// [`Field::Null`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field<T> {
    /// Not sent. The server leaves the property unchanged, or applies its default.
    #[default]
    Absent,
    /// Sent as null.
    Null,
    /// The value.
    Value(T),
}

impl<T> Field<T> {
    /// Returns whether the field is absent.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns the value, if there is one.
    pub const fn as_option(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Returns the value, if there is one.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Applies a function to the value, if there is one.
    pub fn map<U>(self, function: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Null => Field::Null,
            Self::Value(value) => Field::Value(function(value)),
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> &mut T {
        *self = Self::Value(value);
        match self {
            Self::Value(value) => value,
            Self::Absent | Self::Null => unreachable!("the value was set"),
        }
    }

    /// Returns the value, after it was set to the default of its type if there was none.
    pub fn get_or_insert_default(&mut self) -> &mut T
    where
        T: Default,
    {
        loop {
            match self {
                Self::Value(value) => return value,
                Self::Absent | Self::Null => *self = Self::Value(T::default()),
            }
        }
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

/// `None` is absent; for null, use [`Field::Null`].
impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}

/// Implements conversions of values that convert to the type of a field.
macro_rules! values_of {
    ($($Type:ty: $($From:ty),+;)+) => {$($(
        impl From<$From> for Field<$Type> {
            fn from(value: $From) -> Self {
                Self::Value(value.into())
            }
        }
    )+)+};
}

// A literal integer must have one type that converts to a field of integers, so there are no
// conversions of other integers.
values_of! {
    String: &str, &String, Box<str>, Cow<'_, str>;
    f64: f32, i32, u32;
}

impl From<Option<&str>> for Field<String> {
    fn from(value: Option<&str>) -> Self {
        value.map(str::to_owned).into()
    }
}

impl<T, const N: usize> From<[T; N]> for Field<Vec<T>> {
    fn from(values: [T; N]) -> Self {
        Self::Value(values.into())
    }
}

impl<T: Clone> From<&[T]> for Field<Vec<T>> {
    fn from(values: &[T]) -> Self {
        Self::Value(values.into())
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Field<BTreeMap<K, V>> {
    fn from(entries: [(K, V); N]) -> Self {
        Self::Value(entries.into())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Field<BTreeMap<String, String>> {
    fn from(entries: [(&str, &str); N]) -> Self {
        Self::Value(entries.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
    }
}

impl<K: Ord, V, S> From<HashMap<K, V, S>> for Field<BTreeMap<K, V>> {
    fn from(entries: HashMap<K, V, S>) -> Self {
        Self::Value(entries.into_iter().collect())
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_option().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Null, Self::Value))
    }
}
