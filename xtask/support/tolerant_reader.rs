//! Decodes values that differ from the specification.
//!
//! - An optional property of the wrong kind is absent, and its value is kept. A list or map has the
//!   items that decode, and the whole list or map is kept.
//! - A variant of a union that does not decode is unknown.
//! - See [`ScalarSlot::decode`](crate::slot::ScalarSlot::decode) for scalars.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};

use crate::json::{Json, Kind};
use crate::mismatch::Mismatch;
use crate::object_reader::{ObjectSlot, Tolerance, decode_properties};
use crate::slot::{ListSlot, MapSlot, Scalar, Slot, Target};
use crate::tagged_object::position_of;
use crate::union::Union;

/// Decodes a value.
pub(crate) fn decode(slot: &mut dyn Slot, json: Json<'_>) -> Result<(), Mismatch> {
    if json.is_null() && slot.read(Scalar::Null).is_ok() {
        return Ok(());
    }
    decode_target(slot.target(), json)
}

fn decode_target(target: Target<'_>, json: Json<'_>) -> Result<(), Mismatch> {
    match target {
        Target::Scalar(scalar) => scalar.decode(json),
        Target::Object(object) => decode_object(object, json, None),
        Target::Union(union) => {
            decode_union(union, json);
            Ok(())
        }
        Target::List(list) => decode_list(list, json),
        Target::Map(map) => {
            for (name, value) in entries(json)? {
                decode_entry(map, name, value)?;
            }
            Ok(())
        }
        Target::Json(value) => {
            *value = json.value();
            Ok(())
        }
        Target::JsonObject(object) => {
            object.extend(entries(json)?.into_iter().map(|(name, value)| (name, value.value())));
            Ok(())
        }
    }
}

fn decode_list(list: &mut dyn ListSlot, json: Json<'_>) -> Result<(), Mismatch> {
    for (index, item) in items(json)?.into_iter().enumerate() {
        decode(list.push(), item).map_err(|error| error.at(index))?;
    }
    Ok(())
}

/// Decodes the value of a property. If not all of a list or map decodes, it has what does, which is
/// returned as JSON. A list or map that is null is empty.
pub(crate) fn decode_property(
    slot: &mut dyn Slot,
    json: Json<'_>,
) -> Result<Option<Vec<u8>>, Mismatch> {
    if json.is_null() && slot.read(Scalar::Null).is_ok() {
        return Ok(None);
    }
    // No value is decoded twice: values in values would be decoded twice at each level.
    let mut is_whole = true;
    match slot.target() {
        Target::List(_) | Target::Map(_) if json.is_null() => Ok(None),
        Target::List(list) => {
            for item in items(json)? {
                if decode(list.push(), item).is_err() {
                    list.pop();
                    is_whole = false;
                }
            }
            Ok((!is_whole).then(|| list.to_json()))
        }
        Target::Map(map) => {
            for (name, value) in entries(json)? {
                is_whole &= decode_entry(map, name, value).is_ok();
            }
            Ok((!is_whole).then(|| map.to_json()))
        }
        target => decode_target(target, json).map(|()| None),
    }
}

/// Decodes a value of a map. If it does not decode, the map has no value with this name.
pub(crate) fn decode_entry(
    map: &mut dyn MapSlot,
    name: String,
    json: Json<'_>,
) -> Result<(), Mismatch> {
    let mut decoded = Ok(());
    map.insert(name.clone(), &mut |value| {
        decoded = decode(value, json);
        decoded.is_ok()
    });
    decoded.map_err(|error| error.inside(&name))
}

fn items(json: Json<'_>) -> Result<Vec<Json<'_>>, Mismatch> {
    if json.is_too_deep() {
        return Err(Mismatch::too_deep());
    }
    json.items().ok_or_else(|| Mismatch::kind(json, "a sequence"))
}

fn entries(json: Json<'_>) -> Result<Vec<(String, Json<'_>)>, Mismatch> {
    if json.is_too_deep() {
        return Err(Mismatch::too_deep());
    }
    json.entries().ok_or_else(|| Mismatch::kind(json, "a map"))
}

/// Decodes a union. A value that does not decode is unknown.
fn decode_union(union: &mut dyn Union, json: Json<'_>) {
    let decoded = match (json.kind(), union.variants()) {
        (Kind::String, _) => json.string().map(|text| union.set_text(&text)),
        (Kind::Number | Kind::Boolean, _) => {
            union.set_scalar(json.value());
            Some(())
        }
        (Kind::List, _) => union.start_list().and_then(|list| decode_list(list, json).ok()),
        (Kind::Object, Some((name, variants))) => position_of(json, name, variants)
            .and_then(|position| union.start_variant(position))
            .and_then(|object| decode_object(object, json, Some(name)).ok()),
        (Kind::Object, None) => union.start_object().and_then(|object| decode(object, json).ok()),
        (Kind::Null, _) => None,
    };
    if decoded.is_none() {
        union.set_unknown(json.value());
    }
}

/// Decodes an object.
fn decode_object(
    object: &mut dyn ObjectSlot,
    json: Json<'_>,
    discriminator: Option<&'static str>,
) -> Result<(), Mismatch> {
    if json.is_too_deep() {
        return Err(Mismatch::too_deep());
    }
    let (name, mut failure) = (object.description().name, None);
    let (depth, tolerance) = (json.depth().saturating_add(1), Tolerance { failure: &mut failure });
    let visitor = ObjectVisitor { object, discriminator, depth, tolerance };
    let read = serde_json::Deserializer::from_str(json.text()).deserialize_map(visitor);
    // If no property is the reason, the value is not an object.
    read.map_err(|_| failure.unwrap_or_else(|| Mismatch::kind(json, &format!("struct {name}"))))
}

struct ObjectVisitor<'a> {
    object: &'a mut dyn ObjectSlot,
    discriminator: Option<&'static str>,
    depth: u8,
    tolerance: Tolerance<'a>,
}

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, unread: A) -> Result<(), A::Error> {
        decode_properties(self.object, self.depth, self.discriminator, unread, self.tolerance)
    }
}
