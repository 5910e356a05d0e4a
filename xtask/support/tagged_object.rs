//! Objects with a discriminator.

use std::borrow::Cow;

use serde::de::MapAccess;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::Json;
use crate::object_reader::{Entries, ObjectSlot, read_object};
use crate::reader::NameSeed;

/// The variants of a union: the values of the discriminator, with the properties of each.
pub(crate) type Variants = &'static [(&'static str, &'static [&'static str])];

/// An object that was read up to its discriminator.
///
/// Properties before the discriminator are kept as text. The properties after it are unread.
pub(crate) struct TaggedObject<'de, A> {
    name: &'static str,
    /// The position of the variant, if the discriminator's value is listed.
    known: Option<usize>,
    /// The text of a value that is not listed.
    tag: Option<&'de RawValue>,
    before: Entries<'de>,
    unread: A,
}

impl<'de, A: MapAccess<'de>> TaggedObject<'de, A> {
    pub(crate) fn read(
        mut unread: A,
        name: &'static str,
        variants: Variants,
    ) -> Result<Self, A::Error> {
        let (mut before, mut key) = (Entries::default(), Cow::Borrowed(""));
        let names = [name];
        while let Some(position) =
            unread.next_key_seed(NameSeed { names: &names, expected: 0, name: &mut key })?
        {
            let value: &'de RawValue = unread.next_value()?;
            let json = Json::new(value);
            let is_discriminator = position == 0;
            if is_discriminator && !json.is_null() {
                let known = listed(json, variants);
                let tag = Some(value).filter(|_| known.is_none());
                return Ok(Self { name, known, tag, before, unread });
            }
            let key = if is_discriminator { Cow::Borrowed(name) } else { std::mem::take(&mut key) };
            before.push((key, value));
        }
        let names = before.iter().map(|(name, _)| &**name);
        Ok(Self { name, known: inferred(names, variants), tag: None, before, unread })
    }

    /// Returns the position of the variant, if the value of the discriminator is listed.
    pub(crate) fn position(&self) -> Option<usize> {
        self.known
    }

    /// Reads the variant, without the discriminator.
    pub(crate) fn read_variant(
        mut self,
        object: &mut dyn ObjectSlot,
        depth: u8,
    ) -> Result<(), A::Error> {
        read_object(object, depth, Some((self.name, &mut self.before)), self.unread)
    }

    /// Returns the whole object as JSON.
    pub(crate) fn unknown(mut self) -> Result<Value, A::Error> {
        let before = self.before.iter();
        let mut whole: Map<String, Value> =
            before.map(|(name, value)| ((**name).to_owned(), Json::new(value).value())).collect();
        if let Some(tag) = self.tag {
            whole.insert(self.name.to_owned(), Json::new(tag).value());
        }
        while let Some((name, value)) = self.unread.next_entry()? {
            whole.insert(name, value);
        }
        Ok(Value::Object(whole))
    }
}

/// Returns the position of an object's variant, if the value of its discriminator is listed.
pub(crate) fn position_of(json: Json<'_>, name: &str, variants: Variants) -> Option<usize> {
    let entries = json.entries()?;
    match entries.iter().find(|(key, value)| key == name && !value.is_null()) {
        Some((_, tag)) => listed(*tag, variants),
        None => inferred(entries.iter().map(|(name, _)| &**name), variants),
    }
}

fn listed(tag: Json<'_>, variants: Variants) -> Option<usize> {
    let tag = tag.string()?;
    variants.iter().position(|(value, _)| *value == tag)
}

/// Returns the variant of an object without a discriminator: some servers omit it where a property has
/// the same name, as in `{"function": {…}}`. There must be one such variant.
fn inferred<'a>(names: impl Iterator<Item = &'a str>, variants: Variants) -> Option<usize> {
    let mut found = names.filter_map(|name| {
        let position = variants.iter().position(|(value, _)| *value == name)?;
        let (value, properties) = variants.get(position)?;
        properties.contains(value).then_some(position)
    });
    let first = found.next()?;
    found.all(|position| position == first).then_some(first)
}
