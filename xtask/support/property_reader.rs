//! Reads the properties of an object.

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Field;
use crate::json::Json;
use crate::other::Other;
use crate::wire::{Mismatch, Seed, Wire, read_part};

/// The properties of an object that is being read: strictly, or tolerantly from the texts of their
/// values. One type does both, so that the code of each object is compiled once.
pub(crate) struct PropertyReader<'de, 'r, A> {
    /// The properties that the specification lists.
    names: &'static [&'static str],
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
    /// The name of the current property if it is not listed.
    name: String,
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
    pub(crate) object: Json<'f>,
    pub(crate) failure: &'f mut Option<Mismatch>,
}

impl<'de, 'r, A: MapAccess<'de>> PropertyReader<'de, 'r, A> {
    pub(crate) fn new(
        names: &'static [&'static str],
        discriminator: Option<&'static str>,
        before: Option<&'r mut Entries<'de>>,
        unread: A,
        tolerance: Option<Tolerance<'r>>,
    ) -> Self {
        Self {
            names,
            discriminator,
            before,
            unread,
            value: None,
            position: 0,
            expected: 0,
            name: String::new(),
            tolerance,
            other: Other::default(),
        }
    }

    /// Reads the next name. Returns its position, or the number of listed properties if it is not
    /// listed, and `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<usize>, A::Error> {
        if self.before.is_some()
            && let Some(position) = self.next_before()
        {
            return Ok(Some(position));
        }
        let Self { names, expected, name, unread, .. } = self;
        let position = unread.next_key_seed(NameSeed { names, expected: *expected, name })?;
        if let Some(position) = position {
            (self.position, self.expected) = (position, position + 1);
        }
        Ok(position)
    }

    /// Returns the position of the next property that was read before the discriminator.
    fn next_before(&mut self) -> Option<usize> {
        let (name, value) = self.before.as_mut()?.next()?;
        let position = position(self.names, self.expected, name.as_bytes());
        if position == self.names.len() {
            self.name = name.into_owned();
        }
        self.value = Some(value);
        (self.position, self.expected) = (position, position + 1);
        Some(position)
    }

    // The methods assign to a variable of the caller, so that the caller has no value to drop if a
    // call fails. They are compiled once per type of property, not once per property.

    /// Reads the value of a property that must be present.
    pub(crate) fn required<T: Wire>(&mut self, property: &mut Option<T>) -> Result<(), A::Error> {
        *property = match self.tolerance {
            Some(_) => self.tolerant_required()?,
            None => Some(self.value()?),
        };
        Ok(())
    }

    /// Reads the value of a property that may be null.
    pub(crate) fn optional<T: Wire>(&mut self, property: &mut Option<T>) -> Result<(), A::Error> {
        *property = match self.tolerance {
            Some(_) => self.tolerant_optional()?,
            None => self.value()?,
        };
        Ok(())
    }

    /// Reads the value of a property for which null is the default value of its type.
    pub(crate) fn or_default<T: Wire + Default>(
        &mut self,
        property: &mut T,
    ) -> Result<(), A::Error> {
        let mut value = None;
        self.optional(&mut value)?;
        *property = value.unwrap_or_default();
        Ok(())
    }

    /// Reads the value of a property for which null and absent differ.
    pub(crate) fn field<T: Wire>(&mut self, property: &mut Field<T>) -> Result<(), A::Error> {
        *property = match self.tolerance {
            Some(_) => self.tolerant_field()?,
            None => self.value::<Option<T>>()?.map_or(Field::Null, Field::Value),
        };
        Ok(())
    }

    /// Reads the value of a property that is not listed, into a map of such properties.
    pub(crate) fn rest<T: Wire>(
        &mut self,
        rest: &mut impl Extend<(String, T)>,
    ) -> Result<(), A::Error> {
        let name = self.take_name();
        let value = if self.tolerance.is_some() {
            let json = self.json()?;
            match T::from_json(json) {
                Ok(value) => value,
                Err(_) => {
                    self.other.insert(name, json);
                    return Ok(());
                }
            }
        } else {
            self.value()?
        };
        rest.extend([(name, value)]);
        Ok(())
    }

    /// Reads the value of a property that is not listed.
    #[cold]
    pub(crate) fn unknown(&mut self) -> Result<(), A::Error> {
        let name = self.take_name();
        // A repeated discriminator is ignored.
        if self.discriminator.is_some_and(|discriminator| discriminator == name) {
            return match self.value.take() {
                Some(_) => Ok(()),
                None => self.unread.next_value().map(|IgnoredAny| ()),
            };
        }
        let text = self.text()?;
        self.other.insert(name, Json::new(text));
        Ok(())
    }

    /// Returns the error of an object without the first property that is missing.
    #[cold]
    #[inline(never)]
    pub(crate) fn missing(&mut self, properties: &[(&'static str, bool)]) -> A::Error {
        let missing = properties.iter().find(|(_, is_missing)| *is_missing);
        let property = missing.map_or("", |(name, _)| name);
        match &self.tolerance {
            Some(_) => self.fail(Mismatch::missing(property)),
            None => A::Error::missing_field(property),
        }
    }

    /// Returns the properties that are not listed.
    pub(crate) fn finish(&mut self) -> Other {
        std::mem::take(&mut self.other)
    }

    fn value<T: Wire>(&mut self) -> Result<T, A::Error> {
        match self.value.take() {
            None => self.unread.next_value_seed(Seed::new()),
            Some(text) => read_part(text).map_err(A::Error::custom),
        }
    }

    fn text(&mut self) -> Result<&'de RawValue, A::Error> {
        match self.value.take() {
            None => self.unread.next_value(),
            Some(text) => Ok(text),
        }
    }

    fn child(&self, text: &'de RawValue) -> Json<'de> {
        self.tolerance.as_ref().map_or(Json::new(text), |tolerance| tolerance.object.child(text))
    }

    /// Returns the name of the current property.
    fn take_name(&mut self) -> String {
        match self.names.get(self.position) {
            Some(name) => (*name).to_owned(),
            None => std::mem::take(&mut self.name),
        }
    }

    #[cold]
    fn fail(&mut self, mismatch: Mismatch) -> A::Error {
        if let Some(tolerance) = &mut self.tolerance {
            *tolerance.failure = Some(mismatch);
        }
        A::Error::custom("invalid object")
    }

    #[cold]
    #[inline(never)]
    fn tolerant_required<T: Wire>(&mut self) -> Result<Option<T>, A::Error> {
        let json = self.json()?;
        match T::from_json(json) {
            Ok(value) => Ok(Some(value)),
            Err(mismatch) => match T::readable_parts(json) {
                Some(parts) => {
                    self.keep::<T>(json);
                    Ok(Some(parts))
                }
                None => Err(self.fail_inside(mismatch)),
            },
        }
    }

    #[cold]
    #[inline(never)]
    fn tolerant_optional<T: Wire>(&mut self) -> Result<Option<T>, A::Error> {
        let json = self.json()?;
        if json.is_null() { Ok(None) } else { self.tolerant_value(json) }
    }

    fn tolerant_value<T: Wire>(&mut self, json: Json<'_>) -> Result<Option<T>, A::Error> {
        if let Ok(value) = T::from_json(json) {
            return Ok(Some(value));
        }
        self.keep::<T>(json);
        Ok(T::readable_parts(json))
    }

    #[cold]
    fn tolerant_field<T: Wire>(&mut self) -> Result<Field<T>, A::Error> {
        let json = self.json()?;
        if json.is_null() {
            return Ok(Field::Null);
        }
        self.tolerant_value(json).map(Field::from)
    }

    /// Returns the value of the current property, the last one if it is repeated.
    #[inline(never)]
    fn json(&mut self) -> Result<Json<'de>, A::Error> {
        let text = self.text()?;
        if let Some(name) = self.names.get(self.position) {
            self.other.remove(name);
        }
        Ok(self.child(text))
    }

    /// Keeps the current property, unless it is null.
    fn keep<T: Wire>(&mut self, json: Json<'_>) {
        if json.is_null() {
            return;
        }
        let name = self.take_name();
        self.other.insert(name.clone(), json);
        if let Some(parts) = T::readable_parts(json) {
            self.other.insert_parts(&name, parts);
        }
    }

    #[inline(never)]
    fn fail_inside(&mut self, mismatch: Mismatch) -> A::Error {
        let name = self.take_name();
        self.fail(mismatch.inside(&name))
    }
}

/// Returns the position of a name, or the number of names. The search starts where the next name is
/// if the names are in the order of the specification.
#[inline]
fn position(names: &[&str], start: usize, name: &[u8]) -> usize {
    if names.get(start).is_some_and(|expected| expected.as_bytes() == name) {
        return start;
    }
    search(names, start, name)
}

fn search(names: &[&str], start: usize, name: &[u8]) -> usize {
    let (before, after) = names.split_at_checked(start).unwrap_or((names, &[]));
    if let Some(position) = after.iter().position(|known| known.as_bytes() == name) {
        return start + position;
    }
    before.iter().position(|known| known.as_bytes() == name).unwrap_or(names.len())
}

/// Reads a name, and returns its position. A name that is not listed is stored.
struct NameSeed<'a> {
    names: &'static [&'static str],
    expected: usize,
    name: &'a mut String,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        // As bytes, a name may have lone surrogates.
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    #[inline]
    fn visit_bytes<E>(self, name: &[u8]) -> Result<usize, E> {
        let position = position(self.names, self.expected, name);
        if position == self.names.len() {
            *self.name = String::from_utf8_lossy(name).into_owned();
        }
        Ok(position)
    }
}
