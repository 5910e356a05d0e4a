//! What all generated structs have in common.

use crate::incoming::Invalid;
use crate::other::Other;
use crate::property_reader::PropertyReader;
use crate::property_writer::{Output, PropertyWriter};

/// A generated struct.
pub(crate) trait Object: Sized {
    /// The name of the struct.
    const NAME: &'static str;

    /// The properties that the specification lists.
    const NAMES: &'static [&'static str];

    /// Reads the properties.
    fn read_properties(reader: &mut PropertyReader<'_, '_>) -> Result<Self, Invalid>;

    /// Writes the properties that the specification lists.
    fn write_properties<O: Output>(
        &self,
        writer: &mut PropertyWriter<'_, O>,
    ) -> Result<(), O::Error>;

    /// Returns the properties that the specification does not list.
    fn other_properties(&self) -> &Other;
}

/// Implements what all objects have in common.
#[allow(unused_macros)]
macro_rules! objects {
    ($($Name:ident,)+) => {$(
        impl $crate::wire::Wire for $Name {
            fn read(value: $crate::incoming::Incoming<'_, '_>) -> Result<Self, $crate::incoming::Invalid> {
                $crate::object_reader::read(value)
            }

            fn from_json(json: $crate::json::Json<'_>) -> Result<Self, $crate::wire::Mismatch> {
                $crate::object_reader::from_json(json, None)
            }

            fn write(&self, json: &mut Vec<u8>) {
                $crate::property_writer::write(self, None, json);
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decode::deserialize(deserializer)
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::property_writer::serialize(self, None, serializer)
            }
        }
    )+};
}

/// Implements what all recursive lists and maps have in common.
#[allow(unused_macros)]
macro_rules! newtypes {
    ($($Name:ident,)+) => {$(
        impl $crate::wire::Wire for $Name {
            fn read(value: $crate::incoming::Incoming<'_, '_>) -> Result<Self, $crate::incoming::Invalid> {
                $crate::wire::Wire::read(value).map(Self)
            }

            fn from_json(json: $crate::json::Json<'_>) -> Result<Self, $crate::wire::Mismatch> {
                if json.is_too_deep() {
                    return Err($crate::wire::Mismatch::too_deep());
                }
                $crate::wire::Wire::from_json(json).map(Self)
            }

            fn write(&self, json: &mut Vec<u8>) {
                $crate::wire::Wire::write(&self.0, json);
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decode::deserialize(deserializer)
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&self.0, serializer)
            }
        }
    )+};
}

#[allow(unused_imports)]
pub(crate) use {newtypes, objects};
