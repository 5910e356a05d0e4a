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

    /// Reads the properties, and stores the object.
    fn read_properties(
        slot: &mut Option<Self>,
        reader: &mut PropertyReader<'_, '_>,
    ) -> Result<(), Invalid>;

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
            fn read(
                slot: &mut Option<Self>,
                value: $crate::incoming::Incoming<'_, '_>,
            ) -> Result<(), $crate::incoming::Invalid> {
                $crate::object_reader::read(slot, value)
            }

            fn decode(
                slot: &mut Option<Self>,
                json: $crate::json::Json<'_>,
            ) -> Result<(), $crate::wire::Mismatch> {
                $crate::object_reader::decode(slot, json, None)
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
            fn read(
                slot: &mut Option<Self>,
                value: $crate::incoming::Incoming<'_, '_>,
            ) -> Result<(), $crate::incoming::Invalid> {
                let mut content = None;
                $crate::wire::Wire::read(&mut content, value)?;
                *slot = content.map(Self);
                Ok(())
            }

            fn decode(
                slot: &mut Option<Self>,
                json: $crate::json::Json<'_>,
            ) -> Result<(), $crate::wire::Mismatch> {
                if json.is_too_deep() {
                    return Err($crate::wire::Mismatch::too_deep());
                }
                let mut content = None;
                $crate::wire::Wire::decode(&mut content, json)?;
                *slot = content.map(Self);
                Ok(())
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
