//! Reads objects, strictly and tolerantly.

#![allow(dead_code, reason = "a specification need not have unions")]

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, MapAccess, Visitor};

use crate::json::Json;
use crate::object::Object;
use crate::property_reader::{Entries, PropertyReader, Tolerance};
use crate::wire::Mismatch;

/// Reads an object.
pub(crate) struct ObjectVisitor<'f, T> {
    object: PhantomData<T>,
    discriminator: Option<&'static str>,
    tolerance: Option<Tolerance<'f>>,
}

impl<T> ObjectVisitor<'_, T> {
    /// Reads an object strictly.
    pub(crate) const fn strict() -> Self {
        Self { object: PhantomData, discriminator: None, tolerance: None }
    }
}

impl<'r, T: Object> ObjectVisitor<'r, T> {
    fn read<'de: 'r, A: MapAccess<'de>>(
        self,
        before: Option<&'r mut Entries<'de>>,
        unread: A,
    ) -> Result<T, A::Error> {
        let Self { discriminator, tolerance, .. } = self;
        T::read_properties(&mut PropertyReader::new(
            T::NAMES,
            discriminator,
            before,
            unread,
            tolerance,
        ))
    }
}

impl<'de, T: Object> Visitor<'de> for ObjectVisitor<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(f, T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        self.read(None, map)
    }
}

#[cold]
#[inline(never)]
fn expecting(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    write!(f, "struct {name}")
}

/// Reads a variant of a union strictly, from the properties before and after the discriminator.
pub(crate) fn read_variant<'de, T: Object, A: MapAccess<'de>>(
    discriminator: &'static str,
    mut before: Entries<'de>,
    unread: A,
) -> Result<T, A::Error> {
    ObjectVisitor { discriminator: Some(discriminator), ..ObjectVisitor::strict() }
        .read(Some(&mut before), unread)
}

/// Decodes an object tolerantly.
pub(crate) fn from_json<T: Object>(
    json: Json<'_>,
    discriminator: Option<&'static str>,
) -> Result<T, Mismatch> {
    if json.is_too_deep() {
        return Err(Mismatch::too_deep());
    }
    let mut failure = None;
    let tolerance = Some(Tolerance { object: json, failure: &mut failure });
    let visitor = ObjectVisitor { object: PhantomData, discriminator, tolerance };
    let mut deserializer = serde_json::Deserializer::from_str(json.text());
    read_object(&mut deserializer, visitor).map_err(|error| mismatch(error, failure, json, T::NAME))
}

/// Reads an object. What it calls is large, and is compiled once because this is not inlined.
#[inline(never)]
pub(crate) fn read_object<'de, T: Object, D: Deserializer<'de>>(
    deserializer: D,
    visitor: ObjectVisitor<'_, T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_map(visitor)
}

/// Returns why an object does not decode: the error of its deserializer says so only if the value is
/// not an object.
#[cold]
#[inline(never)]
fn mismatch(
    _: serde_json::Error,
    failure: Option<Mismatch>,
    json: Json<'_>,
    name: &str,
) -> Mismatch {
    failure.unwrap_or_else(|| Mismatch::kind(json, &format!("struct {name}")))
}
