//! What all generated structs have in common.

use crate::other::Other;
use crate::property_writer::{Output, PropertyWriter};
use crate::slot::{MapSlot, Slot};

/// What the specification says about an object.
pub struct Description {
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
    fn property(&mut self, position: usize) -> Option<&mut dyn Slot>;

    /// Returns the map of properties that are not listed, if their type is specified.
    fn rest(&mut self) -> Option<&mut dyn MapSlot> {
        None
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

            fn target(&mut self) -> $crate::slot::Target<'_> {
                $crate::slot::Target::Object(self)
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

            fn target(&mut self) -> $crate::slot::Target<'_> {
                $crate::wire::Wire::target(&mut self.0)
            }

            fn is_empty_value(&self) -> bool {
                $crate::wire::Wire::is_empty_value(&self.0)
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
