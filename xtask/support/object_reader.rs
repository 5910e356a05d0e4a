//! Reads objects, strictly and tolerantly.

#![allow(dead_code, reason = "a specification need not have unions")]

use crate::incoming::{Incoming, Invalid, Properties};
use crate::json::Json;
use crate::object::Object;
use crate::property_reader::{Entries, PropertyReader, Tolerance};
use crate::wire::Mismatch;

/// Where an object is stored.
pub(crate) trait ObjectSlot {
    /// Returns the name of the struct.
    fn name(&self) -> &'static str;

    /// Returns the properties that the specification lists.
    fn names(&self) -> &'static [&'static str];

    /// Stores the object with the properties.
    fn read(&mut self, reader: &mut PropertyReader<'_, '_>) -> Result<(), Invalid>;
}

impl<T: Object> ObjectSlot for Option<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn names(&self) -> &'static [&'static str] {
        T::NAMES
    }

    fn read(&mut self, reader: &mut PropertyReader<'_, '_>) -> Result<(), Invalid> {
        T::read_properties(self, reader)
    }
}

/// Reads an object strictly.
pub(crate) fn read(slot: &mut dyn ObjectSlot, value: Incoming<'_, '_>) -> Result<(), Invalid> {
    let Incoming::Object(unread) = value else { return Err(Invalid) };
    slot.read(&mut PropertyReader::new(slot.names(), None, None, unread, None))
}

/// Reads a variant of a union strictly, from the properties before and after the discriminator.
pub(crate) fn read_variant<'de>(
    slot: &mut dyn ObjectSlot,
    discriminator: &'static str,
    mut before: Entries<'de>,
    unread: &mut dyn Properties<'de>,
) -> Result<(), Invalid> {
    let (discriminator, before) = (Some(discriminator), Some(&mut before));
    slot.read(&mut PropertyReader::new(slot.names(), discriminator, before, unread, None))
}

/// Decodes an object tolerantly.
pub(crate) fn decode(
    slot: &mut dyn ObjectSlot,
    json: Json<'_>,
    discriminator: Option<&'static str>,
) -> Result<(), Mismatch> {
    if json.is_too_deep() {
        return Err(Mismatch::too_deep());
    }
    let mut failure = None;
    let read = json.with_properties(&mut |unread| {
        let tolerance = Some(Tolerance { object: json, failure: &mut failure });
        slot.read(&mut PropertyReader::new(slot.names(), discriminator, None, unread, tolerance))
    });
    // If no property is the reason, the value is not an object.
    read.map_err(|Invalid| {
        failure.unwrap_or_else(|| Mismatch::kind(json, &format!("struct {}", slot.name())))
    })
}
