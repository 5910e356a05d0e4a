//! Reads values that are as the specification says.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::json::{MAX_DEPTH, lossy};
use crate::object_reader::read_object;
use crate::slot::{Invalid, ListSlot, MapSlot, Scalar, Slot, Target};
use crate::tagged_object::TaggedObject;
use crate::union::Union;

/// Reads a text that is one value.
pub(crate) fn read(text: &str, slot: &mut dyn Slot) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    ValueSeed::new(slot, 0).deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Reads a value.
pub(crate) struct ValueSeed<'a> {
    slot: &'a mut dyn Slot,
    is_nullable: bool,
    /// The number of values around it. `serde_json` counts them as well, but starts again for
    /// properties that are read from their text, because they are before a discriminator.
    depth: u8,
}

impl<'a> ValueSeed<'a> {
    pub(crate) fn new(slot: &'a mut dyn Slot, depth: u8) -> Self {
        Self { slot, is_nullable: false, depth }
    }

    /// Reads a value that may be null whatever its type.
    pub(crate) fn nullable(slot: &'a mut dyn Slot, depth: u8) -> Self {
        Self { slot, is_nullable: true, depth }
    }

    /// Returns the depth of the values inside this one, if it is not nested too deeply.
    fn inner_depth<E: Error>(&self) -> Result<u8, E> {
        if self.depth < MAX_DEPTH { Ok(self.depth + 1) } else { Err(invalid()) }
    }

    fn read<E: Error>(self, value: Scalar<'_>) -> Result<(), E> {
        self.slot.read(value).map_err(|Invalid| invalid())
    }
}

/// Returns an error that the caller replaces: the text is read again tolerantly.
#[cold]
#[inline(never)]
fn invalid<E: Error>() -> E {
    E::custom("not as the specification says")
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.slot.read(Scalar::Null) {
            Err(Invalid) if !self.is_nullable => Err(invalid()),
            _ => Ok(()),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.read(Scalar::Boolean(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.read(Scalar::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.read(Scalar::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.read(Scalar::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.read(Scalar::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, unread: A) -> Result<(), A::Error> {
        let depth = self.inner_depth()?;
        match self.slot.target() {
            Target::List(list) => read_items(list, depth, unread),
            Target::Union(union) => match union.start_list() {
                Some(list) => read_items(list, depth, unread),
                None => {
                    union.set_unknown(Value::Array(json_list(unread)?));
                    Ok(())
                }
            },
            Target::Json(value) => {
                *value = Value::Array(json_list(unread)?);
                Ok(())
            }
            _ => Err(invalid()),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, unread: A) -> Result<(), A::Error> {
        let depth = self.inner_depth()?;
        match self.slot.target() {
            Target::Object(object) => read_object(object, depth, None, unread),
            Target::Union(union) => read_union(union, depth, unread),
            Target::Map(map) => read_entries(map, depth, unread),
            Target::Json(value) => {
                *value = Value::Object(json_object(unread)?);
                Ok(())
            }
            Target::JsonObject(object) => {
                *object = json_object(unread)?;
                Ok(())
            }
            Target::Scalar(_) | Target::List(_) => Err(invalid()),
        }
    }
}

fn read_items<'de, A: SeqAccess<'de>>(
    list: &mut dyn ListSlot,
    depth: u8,
    mut unread: A,
) -> Result<(), A::Error> {
    while unread.next_element_seed(ValueSeed::new(list.push(), depth))?.is_some() {}
    // There was no item for the last one.
    list.pop();
    Ok(())
}

fn read_entries<'de, A: MapAccess<'de>>(
    map: &mut dyn MapSlot,
    depth: u8,
    mut unread: A,
) -> Result<(), A::Error> {
    while let Some(name) = unread.next_key()? {
        let mut read = Ok(());
        map.insert(name, &mut |value| {
            read = unread.next_value_seed(ValueSeed::new(value, depth));
            read.is_ok()
        });
        read?;
    }
    Ok(())
}

fn read_union<'de, A: MapAccess<'de>>(
    union: &mut dyn Union,
    depth: u8,
    unread: A,
) -> Result<(), A::Error> {
    let Some((name, variants)) = union.variants() else {
        match union.start_object().map(Slot::target) {
            Some(Target::Object(object)) => return read_object(object, depth, None, unread),
            Some(Target::Map(map)) => return read_entries(map, depth, unread),
            Some(Target::JsonObject(object)) => *object = json_object(unread)?,
            _ => union.set_unknown(Value::Object(json_object(unread)?)),
        }
        return Ok(());
    };
    let tagged = TaggedObject::read(unread, name, variants)?;
    match tagged.position().and_then(|position| union.start_variant(position)) {
        Some(object) => tagged.read_variant(object, depth),
        None => {
            union.set_unknown(tagged.unknown()?);
            Ok(())
        }
    }
}

fn json_list<'de, A: SeqAccess<'de>>(unread: A) -> Result<Vec<Value>, A::Error> {
    Vec::deserialize(SeqAccessDeserializer::new(unread))
}

fn json_object<'de, A: MapAccess<'de>>(unread: A) -> Result<Map<String, Value>, A::Error> {
    Map::deserialize(MapAccessDeserializer::new(unread))
}

/// Reads a name, and returns its position. A name that is not listed is stored.
pub(crate) struct NameSeed<'a, 'de> {
    pub(crate) names: &'a [&'a str],
    /// Where the name is if the names are in the order of the specification.
    pub(crate) expected: usize,
    pub(crate) name: &'a mut Cow<'de, str>,
}

impl<'de> NameSeed<'_, 'de> {
    #[cold]
    #[inline(never)]
    fn store(self, name: Cow<'de, [u8]>) {
        *self.name = match name {
            Cow::Borrowed(name) => lossy(name),
            Cow::Owned(name) => Cow::Owned(lossy(&name).into_owned()),
        };
    }
}

/// Returns the position of a name, or the number of names.
#[inline]
pub(crate) fn position(names: &[&str], expected: usize, name: &[u8]) -> usize {
    if names.get(expected).is_some_and(|expected| expected.as_bytes() == name) {
        return expected;
    }
    search(names, expected, name)
}

#[inline(never)]
fn search(names: &[&str], start: usize, name: &[u8]) -> usize {
    let (before, after) = names.split_at_checked(start).unwrap_or((names, &[]));
    if let Some(position) = after.iter().position(|known| known.as_bytes() == name) {
        return start + position;
    }
    before.iter().position(|known| known.as_bytes() == name).unwrap_or(names.len())
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_, 'de> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        // As bytes, a name may have lone surrogates.
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_, 'de> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    #[inline]
    fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<usize, E> {
        let position = position(self.names, self.expected, name);
        if position == self.names.len() {
            self.store(Cow::Borrowed(name));
        }
        Ok(position)
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<usize, E> {
        let position = position(self.names, self.expected, name);
        if position == self.names.len() {
            self.store(Cow::Owned(name.to_owned()));
        }
        Ok(position)
    }
}
