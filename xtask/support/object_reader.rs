//! Reads objects.

use serde::de::MapAccess;

use crate::object::{Description, Object};
use crate::other::Other;
use crate::property_reader::PropertyReader;
pub(crate) use crate::property_reader::{Entries, Tolerance};
use crate::slot::{MapSlot, Slot};

/// An object of any type, whose properties are empty.
pub trait ObjectSlot {
    fn description(&self) -> &'static Description;

    /// Returns a listed property.
    fn property(&mut self, position: usize) -> Option<&mut dyn Slot>;

    /// Returns the map of properties that are not listed, if their type is specified.
    fn rest(&mut self) -> Option<&mut dyn MapSlot>;

    fn other_properties(&mut self) -> &mut Other;
}

impl<T: Object> ObjectSlot for T {
    fn description(&self) -> &'static Description {
        const { &T::DESCRIPTION }
    }

    fn property(&mut self, position: usize) -> Option<&mut dyn Slot> {
        Object::property(self, position)
    }

    fn rest(&mut self) -> Option<&mut dyn MapSlot> {
        Object::rest(self)
    }

    fn other_properties(&mut self) -> &mut Other {
        self.other_properties_mut()
    }
}

/// Reads an object that is as the specification says. `depth` is that of its properties. `before` has the
/// discriminator, and the properties that were read before it.
pub(crate) fn read_object<'de, A: MapAccess<'de>>(
    object: &mut dyn ObjectSlot,
    depth: u8,
    before: Option<(&'static str, &mut Entries<'de>)>,
    unread: A,
) -> Result<(), A::Error> {
    let (discriminator, before) = before.unzip();
    let description = object.description();
    PropertyReader::new(description, depth, discriminator, before, unread, None).read(object)
}

/// Decodes an object that differs from the specification. `depth` is that of its properties.
pub(crate) fn decode_properties<'de, A: MapAccess<'de>>(
    object: &mut dyn ObjectSlot,
    depth: u8,
    discriminator: Option<&'static str>,
    unread: A,
    tolerance: Tolerance<'_>,
) -> Result<(), A::Error> {
    let description = object.description();
    PropertyReader::new(description, depth, discriminator, None, unread, Some(tolerance))
        .read(object)
}
