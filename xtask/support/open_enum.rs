//! String enums.
//!
//! A value that the specification does not list is not an error: it becomes `Unknown`, and is
//! serialized unchanged.

use std::fmt;

use serde::de::{Error, Visitor};

/// Defines a string enum that keeps unknown values.
macro_rules! open_enum {
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident { $($Variant:ident = $value:literal,)+ }
    ) => {
        $crate::open_enum::open_enum! {
            $(#[$attribute])*
            pub enum $Name { $($Variant = $value,)+ }
            empty = Self::Unknown(String::new())
        }
    };
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident { $($Variant:ident = $value:literal,)+ }
        empty = $empty:expr
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $Name {
            $(
                #[doc = concat!("`", $value, "`")]
                $Variant,
            )+
            /// A value that is not listed in the specification.
            Unknown(String),
        }

        impl $Name {
            /// Returns the value.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$Variant => $value,)+
                    Self::Unknown(value) => value,
                }
            }

            fn known(value: &str) -> Option<Self> {
                match value {
                    $($value => Some(Self::$Variant),)+
                    _ => None,
                }
            }
        }

        impl $crate::validate::Limited for $Name {}

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl AsRef<str> for $Name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl PartialEq<str> for $Name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $Name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl From<&str> for $Name {
            fn from(value: &str) -> Self {
                Self::known(value).unwrap_or_else(|| Self::Unknown(value.to_owned()))
            }
        }

        /// Never fails: other values are `Unknown`.
        impl std::str::FromStr for $Name {
            type Err = std::convert::Infallible;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Ok(value.into())
            }
        }

        impl From<String> for $Name {
            fn from(value: String) -> Self {
                Self::known(&value).unwrap_or(Self::Unknown(value))
            }
        }

        impl From<&String> for $Name {
            fn from(value: &String) -> Self {
                value.as_str().into()
            }
        }

        impl From<&str> for $crate::Field<$Name> {
            fn from(value: &str) -> Self {
                Self::Value(value.into())
            }
        }

        impl From<String> for $crate::Field<$Name> {
            fn from(value: String) -> Self {
                Self::Value(value.into())
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::open_enum::StringVisitor(
                    Self::known,
                    Self::Unknown,
                ))
            }
        }

        impl $crate::wire::Wire for $Name {
            fn empty() -> Self {
                $empty
            }

            fn read(&mut self, value: $crate::slot::Scalar<'_>) -> Result<(), $crate::slot::Invalid> {
                *self = value.text().ok_or($crate::slot::Invalid)?.into();
                Ok(())
            }

            fn target(&mut self) -> $crate::slot::Target<'_> {
                $crate::slot::Target::Scalar(self)
            }

            fn write(&self, json: &mut Vec<u8>) {
                $crate::wire::append(json, self.as_str());
            }
        }

        impl $crate::slot::ScalarSlot for $Name {
            fn decode(
                &mut self,
                json: $crate::json::Json<'_>,
            ) -> Result<(), $crate::mismatch::Mismatch> {
                let text = json.string().ok_or_else(|| $crate::mismatch::Mismatch::kind(json, "a string"))?;
                *self = (&*text).into();
                Ok(())
            }
        }
    };
}

/// Defines a string constant, which identifies the type of an object.
macro_rules! constant {
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident { $Variant:ident = $value:literal }
    ) => {
        open_enum! {
            $(#[$attribute])*
            pub enum $Name { $Variant = $value, }
            empty = Self::$Variant
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::$Variant
            }
        }
    };
}

pub(crate) use {constant, open_enum};

/// Decodes a string enum without an allocation for known values.
pub(crate) struct StringVisitor<T>(pub(crate) fn(&str) -> Option<T>, pub(crate) fn(String) -> T);

impl<T> Visitor<'_> for StringVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        Ok((self.0)(value).unwrap_or_else(|| (self.1)(value.to_owned())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<T, E> {
        Ok((self.0)(&value).unwrap_or_else(|| (self.1)(value)))
    }
}
