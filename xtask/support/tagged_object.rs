//! Objects with a discriminator.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::object::{Object, Stream};
use crate::union::{object, sequence, visit_scalars};

/// An object that was read up to its discriminator.
///
/// Properties before the discriminator are buffered. The properties after it are unread, so that a
/// variant is decoded from the input without buffering if its discriminator comes first.
pub(crate) struct TaggedObject<A> {
    name: &'static str,
    tag: Tag,
    before: Vec<(String, Value)>,
    rest: A,
}

enum Tag {
    Known(&'static str),
    Other(Value),
    Missing,
}

impl<'de, A: MapAccess<'de>> TaggedObject<A> {
    pub(crate) fn read(
        mut object: A,
        name: &'static str,
        known: &'static [&'static str],
    ) -> Result<Self, A::Error> {
        let mut before = Vec::new();
        let mut tag = Tag::Missing;
        while let Some(key) = object.next_key_seed(KeySeed(name))? {
            match key {
                Some(key) => before.push((key, object.next_value()?)),
                None => {
                    tag = object.next_value_seed(TagSeed(known))?;
                    break;
                }
            }
        }
        Ok(Self { name, tag, before, rest: object })
    }

    pub(crate) fn is(&self, value: &str) -> bool {
        matches!(self.tag, Tag::Known(known) if known == value)
    }

    /// Reads the variant, without the discriminator.
    pub(crate) fn variant<T: Object>(self) -> Result<T, A::Error> {
        T::read_properties(Stream::new(self.before, self.rest))
    }

    /// Returns the whole object as JSON.
    pub(crate) fn unknown(mut self) -> Result<Value, A::Error> {
        let mut whole: Map<String, Value> = self.before.into_iter().collect();
        match self.tag {
            Tag::Known(value) => drop(whole.insert(self.name.to_owned(), value.into())),
            Tag::Other(value) => drop(whole.insert(self.name.to_owned(), value)),
            Tag::Missing => {}
        }
        while let Some((key, value)) = self.rest.next_entry()? {
            whole.insert(key, value);
        }
        Ok(Value::Object(whole))
    }
}

/// Reads a key. `None` is the discriminator.
struct KeySeed(&'static str);

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Self::Value, E> {
        if key == self.0.as_bytes() {
            return Ok(None);
        }
        Ok(Some(str::from_utf8(key).map_err(E::custom)?.to_owned()))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        self.visit_bytes(key.as_bytes())
    }
}

/// Reads the value of a discriminator.
struct TagSeed(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for TagSeed {
    type Value = Tag;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tag, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TagSeed {
    type Value = Tag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, tag: &str) -> Result<Tag, E> {
        Ok(match self.0.iter().find(|known| **known == tag) {
            Some(known) => Tag::Known(known),
            None => Tag::Other(tag.into()),
        })
    }

    visit_scalars!(Tag, Tag::Other);

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, items: A) -> Result<Tag, A::Error> {
        sequence(items).map(Tag::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Tag, A::Error> {
        object(entries).map(Tag::Other)
    }
}
