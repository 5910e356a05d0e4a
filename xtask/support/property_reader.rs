//! Reads the properties of an object.

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::de::{DeserializeSeed, Error as _, MapAccess};
use serde_json::value::RawValue;

use crate::json::Json;
use crate::mismatch::Mismatch;
use crate::object::Description;
use crate::object_reader::ObjectSlot;
use crate::other::Other;
use crate::reader::{NameSeed, ValueSeed, position};
use crate::slot::{Scalar, Slot};
use crate::tolerant_reader;

/// The properties of an object that is being read: strictly, or tolerantly from the texts of their
/// values. One type does both, so that the code of each object is compiled once.
pub(crate) struct PropertyReader<'de, 'r, A> {
    object: &'static Description,
    /// The number of values around each property.
    depth: u8,
    /// The discriminator of the union that the object is a variant of.
    discriminator: Option<&'static str>,
    /// The properties that were read before the discriminator.
    before: Option<&'r mut Entries<'de>>,
    unread: A,
    /// The value of the current property if it was read before the discriminator.
    value: Option<&'de RawValue>,
    /// The position of the current property, and where the next one is expected.
    position: usize,
    expected: usize,
    seen: Positions,
    /// How many properties that must be present have not been read.
    missing: usize,
    /// The name of the current property if it is not listed.
    name: Cow<'de, str>,
    tolerance: Option<Tolerance<'r>>,
    other: Other,
}

/// The name and the text of a property.
type Entry<'de> = (Cow<'de, str>, &'de RawValue);

/// Properties in order. Most often there is one, which needs no allocation.
#[derive(Default)]
pub(crate) struct Entries<'de> {
    first: Option<Entry<'de>>,
    more: VecDeque<Entry<'de>>,
}

impl<'de> Entries<'de> {
    pub(crate) fn push(&mut self, entry: Entry<'de>) {
        match &self.first {
            None => self.first = Some(entry),
            Some(_) => self.more.push_back(entry),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry<'de>> {
        self.first.iter().chain(&self.more)
    }

    fn next(&mut self) -> Option<Entry<'de>> {
        let next = self.first.take()?;
        self.first = self.more.pop_front();
        Some(next)
    }
}

/// Where a tolerant reader returns why the object does not decode.
pub(crate) struct Tolerance<'f> {
    pub(crate) failure: &'f mut Option<Mismatch>,
}

/// The positions of the properties that were read.
#[derive(Default)]
struct Positions {
    /// Those below 64, as bits.
    first: u64,
    more: Vec<usize>,
}

impl Positions {
    fn contains(&self, position: usize) -> bool {
        match position {
            0..64 => self.first & (1 << position) != 0,
            _ => self.more.contains(&position),
        }
    }

    fn insert(&mut self, position: usize) {
        match position {
            0..64 => self.first |= 1 << position,
            _ => self.more.push(position),
        }
    }
}

impl<'de, 'r, A: MapAccess<'de>> PropertyReader<'de, 'r, A> {
    pub(crate) fn new(
        object: &'static Description,
        depth: u8,
        discriminator: Option<&'static str>,
        before: Option<&'r mut Entries<'de>>,
        unread: A,
        tolerance: Option<Tolerance<'r>>,
    ) -> Self {
        Self {
            object,
            depth,
            discriminator,
            before,
            unread,
            value: None,
            position: 0,
            expected: 0,
            seen: Positions::default(),
            missing: object.required_count,
            name: Cow::Borrowed(""),
            tolerance,
            other: Other::default(),
        }
    }

    /// Reads all properties.
    #[inline(never)]
    pub(crate) fn read(mut self, object: &mut dyn ObjectSlot) -> Result<(), A::Error> {
        while let Some(position) = self.next()? {
            self.position = position;
            self.expected = position + 1;
            match object.property(position) {
                Some(property) => self.listed(property)?,
                None => self.unlisted(object)?,
            }
        }
        if self.missing > 0 {
            return Err(self.missing());
        }
        if !self.other.is_empty() {
            *object.other_properties() = self.other;
        }
        Ok(())
    }

    /// Reads the next name. Returns its position, or the number of listed properties if it is not
    /// listed, and `None` at the end.
    #[inline]
    fn next(&mut self) -> Result<Option<usize>, A::Error> {
        if self.before.is_some()
            && let Some(position) = self.next_before()
        {
            return Ok(Some(position));
        }
        let Self { object, expected, name, unread, .. } = self;
        unread.next_key_seed(NameSeed { names: object.properties, expected: *expected, name })
    }

    /// Returns the position of the next property that was read before the discriminator.
    #[inline(never)]
    fn next_before(&mut self) -> Option<usize> {
        let (name, value) = self.before.as_mut()?.next()?;
        let position = position(self.object.properties, self.expected, name.as_bytes());
        if position == self.object.properties.len() {
            self.name = name;
        }
        self.value = Some(value);
        Some(position)
    }

    /// Reads the value of a property that is listed.
    #[inline]
    fn listed(&mut self, property: &mut dyn Slot) -> Result<(), A::Error> {
        let is_required = self.object.required.get(self.position) == Some(&true);
        if self.seen.contains(self.position) {
            // The last value of a repeated property counts.
            property.reset();
        } else {
            self.seen.insert(self.position);
            self.missing -= usize::from(is_required);
        }
        if self.tolerance.is_some() {
            return self.decode(property, is_required);
        }
        let seed = match is_required {
            true => ValueSeed::new(property, self.depth),
            false => ValueSeed::nullable(property, self.depth),
        };
        match self.value.take() {
            None => self.unread.next_value_seed(seed),
            Some(text) => seed
                .deserialize(&mut serde_json::Deserializer::from_str(text.get()))
                .map_err(A::Error::custom),
        }
    }

    /// Reads the value of a property that is not listed.
    #[cold]
    fn unlisted(&mut self, object: &mut dyn ObjectSlot) -> Result<(), A::Error> {
        let (text, name) = (self.text()?, std::mem::take(&mut self.name).into_owned());
        // A repeated discriminator is ignored.
        if self.discriminator.is_some_and(|discriminator| discriminator == name) {
            return Ok(());
        }
        let json = Json::at_depth(text, self.depth);
        if let Some(rest) = object.rest() {
            match tolerant_reader::decode_entry(rest, name.clone(), json) {
                Ok(()) => {
                    self.other.remove(&name);
                    return Ok(());
                }
                Err(_) if self.tolerance.is_some() => {}
                Err(_) => return Err(A::Error::custom("not as the specification says")),
            }
        }
        self.other.insert(name, json, None);
        Ok(())
    }

    fn text(&mut self) -> Result<&'de RawValue, A::Error> {
        match self.value.take() {
            None => self.unread.next_value(),
            Some(text) => Ok(text),
        }
    }

    /// Returns the name of the current property, which is listed.
    fn listed_name(&self) -> &'static str {
        self.object.properties.get(self.position).copied().unwrap_or_default()
    }

    #[cold]
    #[inline(never)]
    fn decode(&mut self, property: &mut dyn Slot, is_required: bool) -> Result<(), A::Error> {
        let text = self.text()?;
        let (json, name) = (Json::at_depth(text, self.depth), self.listed_name());
        self.other.remove(name);
        if json.is_null() && !is_required {
            // A property that cannot be null stays empty.
            let _ = property.read(Scalar::Null);
            return Ok(());
        }
        let parts = match tolerant_reader::decode_property(property, json) {
            Ok(None) => return Ok(()),
            Ok(parts) => parts,
            Err(mismatch) if is_required => return Err(self.fail(mismatch.inside(name))),
            Err(_) => {
                property.reset();
                None
            }
        };
        self.other.insert(name.to_owned(), json, parts);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn missing(&mut self) -> A::Error {
        let properties = self.object.properties.iter().zip(self.object.required).enumerate();
        let mut missing = properties
            .filter(|(position, (_, is_required))| **is_required && !self.seen.contains(*position));
        let name = missing.next().map_or("", |(_, (name, _))| name);
        self.fail(Mismatch::missing(name))
    }

    #[cold]
    fn fail(&mut self, mismatch: Mismatch) -> A::Error {
        if let Some(tolerance) = &mut self.tolerance {
            *tolerance.failure = Some(mismatch);
        }
        A::Error::custom("not as the specification says")
    }
}
