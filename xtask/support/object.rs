//! What all generated structs have in common.

use crate::incoming::Invalid;
use crate::other::Other;
use crate::property_reader::{Property, PropertyReader};
use crate::property_writer::{Output, PropertyWriter};

/// What the specification says about an object.
pub(crate) struct Description {
    /// The name of the struct.
    pub(crate) name: &'static str,
    /// The properties.
    pub(crate) properties: &'static [&'static str],
    /// Whether each property must be present.
    pub(crate) required: &'static [bool],
    /// How many must be present.
    pub(crate) required_count: usize,
}

/// A generated struct.
pub(crate) trait Object {
    const DESCRIPTION: Description;

    /// Returns a listed property.
    fn property(&mut self, position: usize) -> Option<&mut dyn Property>;

    /// Reads a property that is not listed.
    fn read_unlisted(&mut self, reader: &mut PropertyReader<'_, '_>) -> Result<(), Invalid> {
        reader.unlisted()
    }

    /// Writes the properties that the specification lists.
    fn write_properties<O: Output>(
        &self,
        writer: &mut PropertyWriter<'_, O>,
    ) -> Result<(), O::Error>;

    /// Returns the properties that the specification does not list.
    fn other_properties(&self) -> &Other;

    /// Returns the properties that the specification does not list.
    fn other_properties_mut(&mut self) -> &mut Other;
}

/// Implements what all objects have in common.
#[allow(unused_macros)]
macro_rules! objects {
    ($($Name:ident,)+) => {$(
        impl $crate::wire::Wire for $Name {
            fn empty() -> Self {
                Self::empty()
            }

            fn read(
                &mut self,
                value: $crate::incoming::Incoming<'_, '_>,
            ) -> Result<(), $crate::incoming::Invalid> {
                $crate::object_reader::read(self, value)
            }

            fn decode(
                &mut self,
                json: $crate::json::Json<'_>,
            ) -> Result<(), $crate::wire::Mismatch> {
                $crate::object_reader::decode(self, json, None)
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
            fn empty() -> Self {
                Self($crate::wire::Wire::empty())
            }

            fn read(
                &mut self,
                value: $crate::incoming::Incoming<'_, '_>,
            ) -> Result<(), $crate::incoming::Invalid> {
                $crate::wire::Wire::read(&mut self.0, value)
            }

            fn decode(
                &mut self,
                json: $crate::json::Json<'_>,
            ) -> Result<(), $crate::wire::Mismatch> {
                if json.is_too_deep() {
                    return Err($crate::wire::Mismatch::too_deep());
                }
                $crate::wire::Wire::decode(&mut self.0, json)
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
