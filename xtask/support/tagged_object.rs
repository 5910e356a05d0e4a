//! Objects with a discriminator.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::Json;
use crate::object::Object;
use crate::object_reader::read_variant;
use crate::property_reader::Entries;

/// The variants of a union: the values of the discriminator, with the properties of each.
pub(crate) type Variants = &'static [(&'static str, &'static [&'static str])];

/// An object that was read up to its discriminator.
///
/// Properties before the discriminator are kept as text. The properties after it are unread.
pub(crate) struct TaggedObject<'de, A> {
    name: &'static str,
    /// The discriminator's value, if it is listed.
    known: Option<&'static str>,
    /// The text of a value that is not listed.
    tag: Option<&'de RawValue>,
    before: Entries<'de>,
    unread: A,
}

impl<'de, A: MapAccess<'de>> TaggedObject<'de, A> {
    pub(crate) fn read(
        mut object: A,
        name: &'static str,
        variants: Variants,
    ) -> Result<Self, A::Error> {
        let mut before = Entries::default();
        while let Some(key) = object.next_key_seed(KeySeed(name))? {
            let value: &'de RawValue = object.next_value()?;
            let json = Json::new(value);
            match key {
                None if !json.is_null() => {
                    let known = listed(json, variants);
                    let tag = Some(value).filter(|_| known.is_none());
                    return Ok(Self { name, known, tag, before, unread: object });
                }
                key => before.push((key.unwrap_or(Cow::Borrowed(name)), value)),
            }
        }
        let names = before.iter().map(|(name, _)| &**name);
        Ok(Self { name, known: inferred(names, variants), tag: None, before, unread: object })
    }

    /// Returns the value of the discriminator, if it is listed.
    pub(crate) fn tag(&self) -> Option<&'static str> {
        self.known
    }

    /// Reads the variant, without the discriminator.
    pub(crate) fn variant<T: Object>(self) -> Result<T, A::Error> {
        read_variant(self.name, self.before, self.unread)
    }

    /// Returns the whole object as JSON.
    pub(crate) fn unknown(mut self) -> Result<Value, A::Error> {
        let before = self.before.iter();
        let mut whole: Map<String, Value> =
            before.map(|(name, value)| ((**name).to_owned(), Json::new(value).value())).collect();
        if let Some(tag) = self.tag {
            whole.insert(self.name.to_owned(), Json::new(tag).value());
        }
        while let Some((key, value)) = self.unread.next_entry()? {
            whole.insert(key, value);
        }
        Ok(Value::Object(whole))
    }
}

/// Returns the value of an object's discriminator, if it is listed.
pub(crate) fn tag_of(json: Json<'_>, name: &str, variants: Variants) -> Option<&'static str> {
    let entries = json.entries()?;
    match entries.iter().find(|(key, value)| key == name && !value.is_null()) {
        Some((_, tag)) => listed(*tag, variants),
        None => inferred(entries.iter().map(|(name, _)| &**name), variants),
    }
}

fn listed(tag: Json<'_>, variants: Variants) -> Option<&'static str> {
    let tag = tag.string()?;
    variants.iter().map(|(value, _)| *value).find(|value| *value == tag)
}

/// Returns the variant of an object without a discriminator: some servers omit it where a property has
/// the same name, as in `{"function": {…}}`. There must be one such variant.
fn inferred<'a>(names: impl Iterator<Item = &'a str>, variants: Variants) -> Option<&'static str> {
    let mut found = names.filter_map(|name| {
        let (value, properties) = variants.iter().find(|(value, _)| *value == name)?;
        properties.contains(value).then_some(*value)
    });
    let first = found.next()?;
    found.all(|value| value == first).then_some(first)
}

/// Reads a key. `None` is the discriminator.
struct KeySeed(&'static str);

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // As bytes, a key may have lone surrogates.
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_bytes<E>(self, key: &'de [u8]) -> Result<Self::Value, E> {
        Ok((key != self.0.as_bytes()).then(|| String::from_utf8_lossy(key)))
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        let key = (key != self.0.as_bytes()).then(|| String::from_utf8_lossy(key));
        Ok(key.map(|key| Cow::Owned(key.into_owned())))
    }
}
