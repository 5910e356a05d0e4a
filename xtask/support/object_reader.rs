//! Reads objects, strictly and tolerantly.

#![allow(dead_code, reason = "a specification need not have unions")]

use crate::incoming::{Incoming, Invalid, Properties};
use crate::json::Json;
use crate::object::{Description, Object};
use crate::other::Other;
use crate::property_reader::{Entries, Property, PropertyReader, Tolerance};
use crate::wire::Mismatch;

/// An object of any type, whose properties are empty.
pub(crate) trait ObjectSlot {
    fn description(&self) -> &'static Description;
    fn property(&mut self, position: usize) -> Option<&mut dyn Property>;
    fn read_unlisted(&mut self, reader: &mut PropertyReader<'_, '_>) -> Result<(), Invalid>;
    fn other_properties(&mut self) -> &mut Other;
}

impl<T: Object> ObjectSlot for T {
    fn description(&self) -> &'static Description {
        const { &T::DESCRIPTION }
    }

    fn property(&mut self, position: usize) -> Option<&mut dyn Property> {
        Object::property(self, position)
    }

    fn read_unlisted(&mut self, reader: &mut PropertyReader<'_, '_>) -> Result<(), Invalid> {
        Object::read_unlisted(self, reader)
    }

    fn other_properties(&mut self) -> &mut Other {
        self.other_properties_mut()
    }
}

/// Reads an object strictly.
pub(crate) fn read(object: &mut dyn ObjectSlot, value: Incoming<'_, '_>) -> Result<(), Invalid> {
    let Incoming::Object(unread) = value else { return Err(Invalid) };
    let mut reader = PropertyReader::new(object.description(), None, None, unread, None);
    read_properties(object, &mut reader)
}

/// Reads a variant of a union strictly, from the properties before and after the discriminator.
pub(crate) fn read_variant<'de>(
    object: &mut dyn ObjectSlot,
    discriminator: &'static str,
    mut before: Entries<'de>,
    unread: &mut dyn Properties<'de>,
) -> Result<(), Invalid> {
    let (discriminator, before) = (Some(discriminator), Some(&mut before));
    let description = object.description();
    let mut reader = PropertyReader::new(description, discriminator, before, unread, None);
    read_properties(object, &mut reader)
}

/// Decodes an object tolerantly.
pub(crate) fn decode(
    object: &mut dyn ObjectSlot,
    json: Json<'_>,
    discriminator: Option<&'static str>,
) -> Result<(), Mismatch> {
    if json.is_too_deep() {
        return Err(Mismatch::too_deep());
    }
    let (description, mut failure) = (object.description(), None);
    let read = json.with_properties(&mut |unread| {
        let tolerance = Some(Tolerance { object: json, failure: &mut failure });
        let mut reader = PropertyReader::new(description, discriminator, None, unread, tolerance);
        read_properties(object, &mut reader)
    });
    // If no property is the reason, the value is not an object.
    read.map_err(|Invalid| {
        failure.unwrap_or_else(|| Mismatch::kind(json, &format!("struct {}", description.name)))
    })
}

fn read_properties(
    object: &mut dyn ObjectSlot,
    reader: &mut PropertyReader<'_, '_>,
) -> Result<(), Invalid> {
    while let Some(position) = reader.next()? {
        match object.property(position) {
            Some(property) => reader.read(property)?,
            None => object.read_unlisted(reader)?,
        }
    }
    *object.other_properties() = reader.finish()?;
    Ok(())
}
