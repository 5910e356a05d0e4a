//! Unions. A variant that the specification does not list is kept.

#![allow(dead_code, reason = "a specification need not have unions of every kind")]

use serde_json::Value;

use crate::object_reader::ObjectSlot;
use crate::slot::{ListSlot, Slot};
use crate::tagged_object::Variants;

/// Defines a union, whose variant is selected by a discriminator or by the kind of JSON value.
macro_rules! union {
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident {
            $(constants { $($Constant:ident = $constant:literal,)+ })?
            $(text { $Text:ident })?
            $(array { $Array:ident($Item:ty) })?
            $(scalars { $($Scalar:ident($ScalarType:ty),)+ })?
            $(tagged $tag:literal { $($(#[$variant_attribute:meta])* $Variant:ident($Type:ty) = $value:literal,)+ })?
            $(object { $Object:ident($ObjectType:ty) })?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, PartialEq)]
        #[non_exhaustive]
        #[allow(clippy::large_enum_variant)]
        pub enum $Name {
            $($(
                #[doc = concat!("The string `", $constant, "`.")]
                $Constant,
            )+)?
            $(
                /// A string.
                $Text(String),
            )?
            $(
                /// A list.
                $Array(Vec<$Item>),
            )?
            $($(
                #[doc = concat!("A value of type `", stringify!($ScalarType), "`.")]
                $Scalar($ScalarType),
            )+)?
            $($(
                $(#[$variant_attribute])*
                $Variant($Type),
            )+)?
            $(
                /// An object.
                $Object($ObjectType),
            )?
            /// A value that the specification does not list.
            Unknown(serde_json::Value),
        }

        // A derived `clone` is compiled again in each part of a program that calls it.
        impl Clone for $Name {
            fn clone(&self) -> Self {
                match self {
                    $($(Self::$Constant => Self::$Constant,)+)?
                    $(Self::$Text(text) => Self::$Text(text.clone()),)?
                    $(Self::$Array(items) => Self::$Array(items.clone()),)?
                    $($(Self::$Scalar(scalar) => Self::$Scalar(scalar.clone()),)+)?
                    $($(Self::$Variant(body) => Self::$Variant(body.clone()),)+)?
                    $(Self::$Object(object) => Self::$Object(object.clone()),)?
                    Self::Unknown(value) => Self::Unknown(value.clone()),
                }
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $($(Self::$Constant => serializer.serialize_str($constant),)+)?
                    $(Self::$Text(text) => serializer.serialize_str(text),)?
                    $(Self::$Array(items) => serde::Serialize::serialize(items, serializer),)?
                    $($(Self::$Scalar(scalar) => serde::Serialize::serialize(scalar, serializer),)+)?
                    $($(
                        Self::$Variant(body) => {
                            $crate::property_writer::serialize(body, Some(($tag, $value)), serializer)
                        }
                    )+)?
                    $(Self::$Object(object) => serde::Serialize::serialize(object, serializer),)?
                    Self::Unknown(value) => serde::Serialize::serialize(value, serializer),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decode::deserialize(deserializer)
            }
        }

        impl $crate::wire::Wire for $Name {
            fn empty() -> Self {
                Self::Unknown(serde_json::Value::Null)
            }

            fn read(&mut self, value: $crate::slot::Scalar<'_>) -> Result<(), $crate::slot::Invalid> {
                match value {
                    $crate::slot::Scalar::Text(text) => *self = Self::from_text(text),
                    scalar => *self = Self::from_scalar(scalar.into()),
                }
                Ok(())
            }

            fn target(&mut self) -> $crate::slot::Target<'_> {
                $crate::slot::Target::Union(self)
            }

            fn write(&self, json: &mut Vec<u8>) {
                match self {
                    $($(Self::$Constant => $crate::wire::append(json, $constant),)+)?
                    $(Self::$Text(text) => $crate::wire::Wire::write(text, json),)?
                    $(Self::$Array(items) => $crate::wire::Wire::write(items, json),)?
                    $($(Self::$Scalar(scalar) => $crate::wire::Wire::write(scalar, json),)+)?
                    $($(
                        Self::$Variant(body) => $crate::property_writer::write(body, Some(($tag, $value)), json),
                    )+)?
                    $(Self::$Object(object) => $crate::wire::Wire::write(object, json),)?
                    Self::Unknown(value) => $crate::wire::Wire::write(value, json),
                }
            }
        }

        impl $crate::union::Union for $Name {
            fn set_text(&mut self, text: &str) {
                *self = Self::from_text(text);
            }

            fn set_scalar(&mut self, value: serde_json::Value) {
                *self = Self::from_scalar(value);
            }

            fn set_unknown(&mut self, value: serde_json::Value) {
                *self = Self::Unknown(value);
            }

            $(
                fn start_list(&mut self) -> Option<&mut dyn $crate::slot::ListSlot> {
                    *self = Self::$Array(Vec::new());
                    match self {
                        Self::$Array(items) => Some(items),
                        _ => None,
                    }
                }
            )?

            $(
                fn start_object(&mut self) -> Option<&mut dyn $crate::slot::Slot> {
                    *self = Self::$Object($crate::wire::Wire::empty());
                    match self {
                        Self::$Object(object) => Some(object),
                        _ => None,
                    }
                }
            )?

            $(
                fn variants(&self) -> Option<(&'static str, $crate::tagged_object::Variants)> {
                    Some(($tag, &[$(($value, <$Type as $crate::object::Object>::DESCRIPTION.properties)),+]))
                }

                fn start_variant(&mut self, position: usize) -> Option<&mut dyn $crate::object_reader::ObjectSlot> {
                    const VARIANTS: &[fn() -> $Name] = &[$(|| $Name::$Variant($crate::wire::Wire::empty())),+];
                    *self = VARIANTS.get(position)?();
                    match self {
                        $(Self::$Variant(body) => Some(body),)+
                        #[allow(unreachable_patterns)]
                        _ => None,
                    }
                }
            )?
        }

        impl $Name {
            #[allow(unreachable_code)]
            fn from_text(text: &str) -> Self {
                $(match text {
                    $($constant => return Self::$Constant,)+
                    _ => {}
                })?
                $(return Self::$Text(text.to_owned());)?
                Self::Unknown(text.into())
            }

            fn from_scalar(value: serde_json::Value) -> Self {
                $($(
                    if let Ok(scalar) = <$ScalarType as serde::Deserialize>::deserialize(&value) {
                        return Self::$Scalar(scalar);
                    }
                )+)?
                Self::Unknown(value)
            }
        }

        $($(
            impl From<$ScalarType> for $Name {
                fn from(scalar: $ScalarType) -> Self {
                    Self::$Scalar(scalar)
                }
            }

            impl From<$ScalarType> for $crate::Field<$Name> {
                fn from(scalar: $ScalarType) -> Self {
                    Self::Value(scalar.into())
                }
            }
        )+)?

        $($(
            impl From<$Type> for $Name {
                fn from(body: $Type) -> Self {
                    Self::$Variant(body)
                }
            }

            impl From<$Type> for $crate::Field<$Name> {
                fn from(body: $Type) -> Self {
                    Self::Value(body.into())
                }
            }
        )+)?
        $(
            impl From<$ObjectType> for $Name {
                fn from(object: $ObjectType) -> Self {
                    Self::$Object(object)
                }
            }

            impl From<$ObjectType> for $crate::Field<$Name> {
                fn from(object: $ObjectType) -> Self {
                    Self::Value(object.into())
                }
            }
        )?
        $(
            impl From<String> for $Name {
                fn from(text: String) -> Self {
                    Self::$Text(text)
                }
            }

            impl From<&str> for $Name {
                fn from(text: &str) -> Self {
                    Self::$Text(text.to_owned())
                }
            }

            impl From<&String> for $Name {
                fn from(text: &String) -> Self {
                    Self::$Text(text.to_owned())
                }
            }

            impl From<String> for $crate::Field<$Name> {
                fn from(text: String) -> Self {
                    Self::Value(text.into())
                }
            }

            impl From<&str> for $crate::Field<$Name> {
                fn from(text: &str) -> Self {
                    Self::Value(text.into())
                }
            }
        )?
        $(
            impl From<Vec<$Item>> for $Name {
                fn from(items: Vec<$Item>) -> Self {
                    Self::$Array(items)
                }
            }

            impl From<Vec<$Item>> for $crate::Field<$Name> {
                fn from(items: Vec<$Item>) -> Self {
                    Self::Value(items.into())
                }
            }
        )?
    };
}

pub(crate) use union;

/// A union of any type.
pub trait Union {
    fn set_text(&mut self, text: &str);

    /// Stores a number, a boolean, or null.
    fn set_scalar(&mut self, value: Value);

    fn set_unknown(&mut self, value: Value);

    /// Makes the union an empty list, if it may be one. Returns the list.
    fn start_list(&mut self) -> Option<&mut dyn ListSlot> {
        None
    }

    /// Makes the union an empty object without a discriminator, if it may be one. Returns the object.
    fn start_object(&mut self) -> Option<&mut dyn Slot> {
        None
    }

    /// Returns the discriminator and its values, if there is one.
    fn variants(&self) -> Option<(&'static str, Variants)> {
        None
    }

    /// Makes the union the empty variant at a position. Returns its object.
    fn start_variant(&mut self, _: usize) -> Option<&mut dyn ObjectSlot> {
        None
    }
}
