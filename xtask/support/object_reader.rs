//! Reads objects, strictly and tolerantly.

#![allow(dead_code, reason = "a specification need not have unions")]

use crate::incoming::{Incoming, Invalid, Properties};
use crate::json::Json;
use crate::object::Object;
use crate::property_reader::{Entries, PropertyReader, Tolerance};
use crate::wire::Mismatch;

/// Reads an object strictly.
pub(crate) fn read<T: Object>(value: Incoming<'_, '_>) -> Result<T, Invalid> {
    match value {
        Incoming::Object(unread) => {
            T::read_properties(&mut PropertyReader::new(T::NAMES, None, None, unread, None))
        }
        _ => Err(Invalid),
    }
}

/// Reads a variant of a union strictly, from the properties before and after the discriminator.
pub(crate) fn read_variant<'de, T: Object>(
    discriminator: &'static str,
    mut before: Entries<'de>,
    unread: &mut dyn Properties<'de>,
) -> Result<T, Invalid> {
    let (discriminator, before) = (Some(discriminator), Some(&mut before));
    T::read_properties(&mut PropertyReader::new(T::NAMES, discriminator, before, unread, None))
}

/// Decodes an object tolerantly.
pub(crate) fn from_json<T: Object>(
    json: Json<'_>,
    discriminator: Option<&'static str>,
) -> Result<T, Mismatch> {
    if json.is_too_deep() {
        return Err(Mismatch::too_deep());
    }
    let (mut object, mut failure) = (None, None);
    let read = json.with_properties(&mut |unread| {
        let tolerance = Some(Tolerance { object: json, failure: &mut failure });
        let mut reader = PropertyReader::new(T::NAMES, discriminator, None, unread, tolerance);
        object = Some(T::read_properties(&mut reader)?);
        Ok(())
    });
    match (read, object) {
        (Ok(()), Some(object)) => Ok(object),
        _ => Err(mismatch(failure, json, T::NAME)),
    }
}

/// Returns why an object does not decode. If no property is the reason, the value is not an object.
#[cold]
#[inline(never)]
fn mismatch(failure: Option<Mismatch>, json: Json<'_>, name: &str) -> Mismatch {
    failure.unwrap_or_else(|| Mismatch::kind(json, &format!("struct {name}")))
}
