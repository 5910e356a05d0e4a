//! Reads the properties of an object.

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::value::RawValue;

use crate::incoming::{Invalid, Properties, Slot, position, read_text};
use crate::json::Json;
use crate::object::Description;
use crate::other::Other;
use crate::wire::{Content, Mismatch, Wire};

/// The properties of an object that is being read: strictly, or tolerantly from the texts of their
/// values. One type does both, so that the code of each object is compiled once.
pub(crate) struct PropertyReader<'de, 'r> {
    object: &'static Description,
    /// The discriminator of the union that the object is a variant of.
    discriminator: Option<&'static str>,
    /// The properties that were read before the discriminator.
    before: Option<&'r mut Entries<'de>>,
    unread: &'r mut dyn Properties<'de>,
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
    pub(crate) object: Json<'f>,
    pub(crate) failure: &'f mut Option<Mismatch>,
}

/// A property of any type.
pub(crate) trait Property: Slot {
    /// Makes the property empty again.
    fn reset(&mut self);

    /// Returns where a value is decoded.
    fn content(&mut self) -> &mut dyn Content;
}

impl<T: Wire> Property for T {
    fn reset(&mut self) {
        *self = T::empty();
    }

    fn content(&mut self) -> &mut dyn Content {
        Wire::content(self)
    }
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

impl<'de, 'r> PropertyReader<'de, 'r> {
    pub(crate) fn new(
        object: &'static Description,
        discriminator: Option<&'static str>,
        before: Option<&'r mut Entries<'de>>,
        unread: &'r mut dyn Properties<'de>,
        tolerance: Option<Tolerance<'r>>,
    ) -> Self {
        Self {
            object,
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

    /// Reads the next name. Returns its position, or the number of listed properties if it is not
    /// listed, and `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<usize>, Invalid> {
        if self.before.is_some()
            && let Some(position) = self.next_before()
        {
            return Ok(Some(position));
        }
        let position = self.unread.next(self.object.properties, self.expected, &mut self.name)?;
        if let Some(position) = position {
            (self.position, self.expected) = (position, position + 1);
        }
        Ok(position)
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
        (self.position, self.expected) = (position, position + 1);
        Some(position)
    }

    /// Reads the value of the current property, which is listed.
    #[inline]
    pub(crate) fn read(&mut self, property: &mut dyn Property) -> Result<(), Invalid> {
        let is_required = self.object.required.get(self.position) == Some(&true);
        if self.seen.contains(self.position) {
            // The last value of a repeated property counts.
            property.reset();
        } else {
            self.seen.insert(self.position);
            self.missing -= usize::from(is_required);
        }
        match self.tolerance {
            Some(_) => self.decode(property, is_required),
            None => self.value(property, !is_required),
        }
    }

    /// Reads the value of a property that is not listed, into a map of such properties.
    pub(crate) fn rest<T: Wire>(
        &mut self,
        rest: &mut impl Extend<(String, T)>,
    ) -> Result<(), Invalid> {
        let (name, mut value) = (self.take_name(), T::empty());
        if self.tolerance.is_some() {
            let json = self.json()?;
            if Wire::decode(&mut value, json).is_err() {
                self.other.insert(name, json, None);
                return Ok(());
            }
        } else {
            self.value(&mut value, false)?;
        }
        rest.extend([(name, value)]);
        Ok(())
    }

    /// Reads the value of a property that is not listed.
    #[cold]
    pub(crate) fn unlisted(&mut self) -> Result<(), Invalid> {
        let name = self.take_name();
        let text = self.text()?;
        // A repeated discriminator is ignored.
        if self.discriminator.is_none_or(|discriminator| discriminator != name) {
            self.other.insert(name, Json::new(text), None);
        }
        Ok(())
    }

    /// Returns the properties that are not listed, after the last property. Returns an error if one
    /// that must be present is missing.
    #[inline]
    pub(crate) fn finish(&mut self) -> Result<Other, Invalid> {
        if self.missing > 0 {
            return Err(self.fail_missing());
        }
        Ok(std::mem::take(&mut self.other))
    }

    #[cold]
    #[inline(never)]
    fn fail_missing(&mut self) -> Invalid {
        let properties = self.object.properties.iter().zip(self.object.required).enumerate();
        let mut missing = properties
            .filter(|(position, (_, is_required))| **is_required && !self.seen.contains(*position));
        let name = missing.next().map_or("", |(_, (name, _))| name);
        self.fail(Mismatch::missing(name))
    }

    #[inline]
    fn value(&mut self, slot: &mut dyn Slot, is_nullable: bool) -> Result<(), Invalid> {
        match self.value.take() {
            None => self.unread.value(slot, is_nullable),
            Some(text) => read_text(text.get(), slot, is_nullable),
        }
    }

    fn text(&mut self) -> Result<&'de RawValue, Invalid> {
        match self.value.take() {
            None => self.unread.text(),
            Some(text) => Ok(text),
        }
    }

    /// Returns the name of the current property.
    fn take_name(&mut self) -> String {
        match self.object.properties.get(self.position) {
            Some(name) => (*name).to_owned(),
            None => std::mem::take(&mut self.name).into_owned(),
        }
    }

    fn fail(&mut self, mismatch: Mismatch) -> Invalid {
        if let Some(tolerance) = &mut self.tolerance {
            *tolerance.failure = Some(mismatch);
        }
        Invalid
    }

    #[cold]
    #[inline(never)]
    fn decode(&mut self, property: &mut dyn Property, is_required: bool) -> Result<(), Invalid> {
        let json = self.json()?;
        if json.is_null() && !is_required {
            property.read_null();
            return Ok(());
        }
        let Err(mismatch) = property.content().decode(json) else { return Ok(()) };
        property.reset();
        let parts = property.content().decode_parts(json);
        if parts.is_none() {
            property.reset();
            if is_required {
                let name = self.take_name();
                return Err(self.fail(mismatch.inside(&name)));
            }
        }
        // A required list or map that is null is empty.
        if !json.is_null() {
            let name = self.take_name();
            self.other.insert(name, json, parts);
        }
        Ok(())
    }

    /// Returns the value of the current property, the last one if it is repeated.
    fn json(&mut self) -> Result<Json<'de>, Invalid> {
        let text = self.text()?;
        if let Some(name) = self.object.properties.get(self.position) {
            self.other.remove(name);
        }
        let object = self.tolerance.as_ref().map(|tolerance| tolerance.object);
        Ok(object.map_or(Json::new(text), |object| object.child(text)))
    }
}
