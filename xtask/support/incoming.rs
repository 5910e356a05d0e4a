//! Passes values from a deserializer to the types of this crate.
//!
//! Types are behind trait objects here, so that the code of `serde_json` for objects, lists and
//! scalars is compiled once, and not for each type.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::lossy;
use crate::wire::Wire;

/// A value is not as the specification says, or not JSON. Decoding it tolerantly tells which.
#[derive(Debug)]
pub struct Invalid;

/// A value that is being read.
pub enum Incoming<'a, 'de> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    List(&'a mut dyn Items<'de>),
    Object(&'a mut dyn Properties<'de>),
}

impl<'a> Incoming<'a, '_> {
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn integer(&self) -> Option<i128> {
        match self {
            Self::Unsigned(number) => Some((*number).into()),
            Self::Signed(number) => Some((*number).into()),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Unsigned(number) => Some(*number as f64),
            Self::Signed(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value with all that is inside it.
    pub(crate) fn into_json(self) -> Result<Value, Invalid> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => value.into(),
            Self::Unsigned(number) => number.into(),
            Self::Signed(number) => number.into(),
            Self::Float(number) => number.into(),
            Self::Text(text) => text.into(),
            Self::List(items) => Value::Array(items.json()?),
            Self::Object(properties) => Value::Object(properties.json()?),
        })
    }
}

/// The unread items of a list.
pub trait Items<'de> {
    /// Reads the next item. Returns `false` at the end.
    fn next(&mut self, slot: &mut dyn Slot) -> Result<bool, Invalid>;

    /// Returns the items.
    fn json(&mut self) -> Result<Vec<Value>, Invalid>;
}

/// The unread properties of an object.
pub trait Properties<'de> {
    /// Reads the next name. Returns its position in `names`, or their number if it is not among
    /// them, and `None` at the end. The name is stored if it is not among them.
    fn next(
        &mut self,
        names: &[&str],
        expected: usize,
        name: &mut Cow<'de, str>,
    ) -> Result<Option<usize>, Invalid>;

    /// Reads the value of the property. A nullable one may be null whatever its type.
    fn value(&mut self, slot: &mut dyn Slot, is_nullable: bool) -> Result<(), Invalid>;

    /// Returns the text of the value.
    fn text(&mut self) -> Result<&'de RawValue, Invalid>;

    /// Returns the properties.
    fn json(&mut self) -> Result<Map<String, Value>, Invalid>;
}

/// A value of any type, into which another one can be read.
pub trait Slot {
    /// Reads a value that is as the specification says.
    fn read(&mut self, value: Incoming<'_, '_>) -> Result<(), Invalid>;

    /// Reads null in place of an optional value.
    fn read_null(&mut self);
}

impl<T: Wire> Slot for T {
    fn read(&mut self, value: Incoming<'_, '_>) -> Result<(), Invalid> {
        Wire::read(self, value)
    }

    fn read_null(&mut self) {
        Wire::read_null(self);
    }
}

/// Reads a text that is one value.
pub(crate) fn read_text(text: &str, slot: &mut dyn Slot, is_nullable: bool) -> Result<(), Invalid> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = ValueSeed { slot, is_nullable }.deserialize(&mut deserializer);
    read.and_then(|()| deserializer.end()).map_err(|_| Invalid)
}

/// Calls a function with the unread properties of an object. Returns an error if the text is not an
/// object, or if the function does.
pub(crate) fn read_object<'de>(
    text: &'de str,
    read: &mut dyn FnMut(&mut dyn Properties<'de>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(ObjectVisitor(read)).map_err(|_| Invalid)
}

struct ObjectVisitor<'a, 'de>(&'a mut dyn FnMut(&mut dyn Properties<'de>) -> Result<(), Invalid>);

impl<'de> Visitor<'de> for ObjectVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        (self.0)(&mut Access(&mut map)).map_err(|Invalid| unreadable())
    }
}

/// Reads a value into a slot.
struct ValueSeed<'a> {
    slot: &'a mut dyn Slot,
    is_nullable: bool,
}

impl ValueSeed<'_> {
    fn read<E: serde::de::Error>(self, value: Incoming<'_, '_>) -> Result<(), E> {
        self.slot.read(value).map_err(|Invalid| unreadable())
    }
}

#[cold]
#[inline(never)]
fn unreadable<E: serde::de::Error>() -> E {
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

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        if self.is_nullable {
            self.slot.read_null();
            return Ok(());
        }
        self.read(Incoming::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.read(Incoming::Boolean(value))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.read(Incoming::Unsigned(number))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.read(Incoming::Signed(number))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.read(Incoming::Float(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.read(Incoming::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.read(Incoming::List(&mut Access(&mut items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.read(Incoming::Object(&mut Access(&mut map)))
    }
}

/// Access to the contents of a list or an object.
struct Access<'a, A>(&'a mut A);

impl<'de, A: SeqAccess<'de>> Items<'de> for Access<'_, A> {
    fn next(&mut self, slot: &mut dyn Slot) -> Result<bool, Invalid> {
        let read = self.0.next_element_seed(ValueSeed { slot, is_nullable: false });
        read.map(|read| read.is_some()).map_err(|_| Invalid)
    }

    fn json(&mut self) -> Result<Vec<Value>, Invalid> {
        Vec::deserialize(SeqAccessDeserializer::new(&mut *self.0)).map_err(|_| Invalid)
    }
}

impl<'de, A: MapAccess<'de>> Properties<'de> for Access<'_, A> {
    fn next(
        &mut self,
        names: &[&str],
        expected: usize,
        name: &mut Cow<'de, str>,
    ) -> Result<Option<usize>, Invalid> {
        self.0.next_key_seed(NameSeed { names, expected, name }).map_err(|_| Invalid)
    }

    fn value(&mut self, slot: &mut dyn Slot, is_nullable: bool) -> Result<(), Invalid> {
        self.0.next_value_seed(ValueSeed { slot, is_nullable }).map_err(|_| Invalid)
    }

    fn text(&mut self) -> Result<&'de RawValue, Invalid> {
        self.0.next_value().map_err(|_| Invalid)
    }

    fn json(&mut self) -> Result<Map<String, Value>, Invalid> {
        Map::deserialize(MapAccessDeserializer::new(&mut *self.0)).map_err(|_| Invalid)
    }
}

/// Returns the position of a name, or the number of names. The search starts where the next name is
/// if the names are in the order of the specification.
#[inline]
pub(crate) fn position(names: &[&str], start: usize, name: &[u8]) -> usize {
    if names.get(start).is_some_and(|expected| expected.as_bytes() == name) {
        return start;
    }
    search(names, start, name)
}

#[inline(never)]
fn search(names: &[&str], start: usize, name: &[u8]) -> usize {
    let (before, after) = names.split_at_checked(start).unwrap_or((names, &[]));
    if let Some(position) = after.iter().position(|known| known.as_bytes() == name) {
        return start + position;
    }
    before.iter().position(|known| known.as_bytes() == name).unwrap_or(names.len())
}

/// Reads a name, and returns its position. A name that is not listed is stored.
struct NameSeed<'a, 'de> {
    names: &'a [&'a str],
    expected: usize,
    name: &'a mut Cow<'de, str>,
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
