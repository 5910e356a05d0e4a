//! What all generated structs have in common.

use serde::de::MapAccess;
use serde::ser::SerializeMap;

use crate::other::Other;
use crate::property_reader::PropertyReader;
use crate::property_writer::PropertyWriter;

/// A generated struct.
pub(crate) trait Object: Sized {
    /// The name of the struct.
    const NAME: &'static str;

    /// The properties that the specification lists.
    const NAMES: &'static [&'static str];

    /// Reads the properties.
    fn read_properties<'de, A: MapAccess<'de>>(
        reader: &mut PropertyReader<'de, '_, A>,
    ) -> Result<Self, A::Error>;

    /// Writes the properties that the specification lists.
    fn write_properties<M: SerializeMap>(
        &self,
        writer: &mut PropertyWriter<'_, M>,
    ) -> Result<(), M::Error>;

    /// Returns the properties that the specification does not list.
    fn other_properties(&self) -> &Other;
}

/// Implements what all objects have in common.
#[allow(unused_macros)]
macro_rules! objects {
    ($($Name:ident,)+) => {$(
        impl $crate::wire::Wire for $Name {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::object_reader::read_object(deserializer, $crate::object_reader::ObjectVisitor::strict())
            }

            fn from_json(json: $crate::json::Json<'_>) -> Result<Self, $crate::wire::Mismatch> {
                $crate::object_reader::from_json(json, None)
            }

            fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
                serde_json::to_vec(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decode::deserialize(deserializer)
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::property_writer::write(self, None, serializer)
            }
        }
    )+};
}

/// Implements what all recursive lists and maps have in common.
#[allow(unused_macros)]
macro_rules! newtypes {
    ($($Name:ident,)+) => {$(
        impl $crate::wire::Wire for $Name {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::wire::Wire::read(deserializer).map(Self)
            }

            fn from_json(json: $crate::json::Json<'_>) -> Result<Self, $crate::wire::Mismatch> {
                if json.is_too_deep() {
                    return Err($crate::wire::Mismatch::too_deep());
                }
                $crate::wire::Wire::from_json(json).map(Self)
            }

            fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
                serde_json::to_vec(self)
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
