//! Reads the properties of an object.

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::value::RawValue;

use crate::Field;
use crate::incoming::{Incoming, Invalid, Properties, Slot, position, read_text};
use crate::json::Json;
use crate::other::Other;
use crate::wire::{Mismatch, Wire};

/// The properties of an object that is being read: strictly, or tolerantly from the texts of their
/// values. One type does both, so that the code of each object is compiled once.
pub(crate) struct PropertyReader<'de, 'r> {
    /// The properties that the specification lists.
    names: &'static [&'static str],
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

/// The variable of a property.
pub(crate) trait Property: Slot {
    /// Stores a value that may differ from the specification.
    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch>;

    /// Stores the parts of the value that decode, if it has parts. Returns them as JSON.
    fn decode_parts(&mut self, json: Json<'_>) -> Option<Vec<u8>>;
}

impl<T: Wire> Property for Option<T> {
    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch> {
        T::decode(self, json)
    }

    fn decode_parts(&mut self, json: Json<'_>) -> Option<Vec<u8>> {
        T::decode_parts(self, json)
    }
}

/// The variable of a property for which null and absent differ.
impl<T: Wire> Slot for Field<T> {
    fn read(&mut self, value: Option<Incoming<'_, '_>>) -> Result<(), Invalid> {
        let mut content = None;
        content.read(value)?;
        *self = content.map_or(Self::Null, Self::Value);
        Ok(())
    }
}

impl<T: Wire> Property for Field<T> {
    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch> {
        let mut content = None;
        T::decode(&mut content, json)?;
        *self = content.into();
        Ok(())
    }

    fn decode_parts(&mut self, json: Json<'_>) -> Option<Vec<u8>> {
        let mut content = None;
        let parts = T::decode_parts(&mut content, json);
        *self = content.into();
        parts
    }
}

impl<'de, 'r> PropertyReader<'de, 'r> {
    pub(crate) fn new(
        names: &'static [&'static str],
        discriminator: Option<&'static str>,
        before: Option<&'r mut Entries<'de>>,
        unread: &'r mut dyn Properties<'de>,
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
            name: Cow::Borrowed(""),
            tolerance,
            other: Other::default(),
        }
    }

    /// Reads the next name. Returns its position, or the number of listed properties if it is not
    /// listed, and `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<usize>, Invalid> {
        if self.before.is_some()
            && let Some(position) = self.next_before()
        {
            return Ok(Some(position));
        }
        let position = self.unread.next(self.names, self.expected, &mut self.name)?;
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
            self.name = name;
        }
        self.value = Some(value);
        (self.position, self.expected) = (position, position + 1);
        Some(position)
    }

    // The methods assign to a variable of the caller, so that the caller has no value to drop if a
    // call fails. They are compiled once, and not once per type of property.

    /// Reads the value of a property that must be present.
    pub(crate) fn required(&mut self, property: &mut dyn Property) -> Result<(), Invalid> {
        match self.tolerance {
            Some(_) => self.decode_required(property),
            None => self.value(property, false),
        }
    }

    /// Reads the value of a property that may be null.
    pub(crate) fn optional(&mut self, property: &mut dyn Property) -> Result<(), Invalid> {
        match self.tolerance {
            Some(_) => self.decode_optional(property),
            None => self.value(property, true),
        }
    }

    /// Reads the value of a property that is not listed, into a map of such properties.
    pub(crate) fn rest<T: Wire>(
        &mut self,
        rest: &mut impl Extend<(String, T)>,
    ) -> Result<(), Invalid> {
        let (name, mut value) = (self.take_name(), None);
        if self.tolerance.is_some() {
            let json = self.json()?;
            if value.decode(json).is_err() {
                self.other.insert(name, json, None);
                return Ok(());
            }
        } else {
            self.value(&mut value, false)?;
        }
        rest.extend(value.map(|value| (name, value)));
        Ok(())
    }

    /// Reads the value of a property that is not listed.
    #[cold]
    pub(crate) fn unknown(&mut self) -> Result<(), Invalid> {
        let name = self.take_name();
        let text = self.text()?;
        // A repeated discriminator is ignored.
        if self.discriminator.is_none_or(|discriminator| discriminator != name) {
            self.other.insert(name, Json::new(text), None);
        }
        Ok(())
    }

    /// Stores the first property that is missing as the reason why the object does not decode.
    #[cold]
    #[inline(never)]
    pub(crate) fn missing(&mut self, properties: &[(&'static str, bool)]) -> Invalid {
        let missing = properties.iter().find(|(_, is_missing)| *is_missing);
        self.fail(Mismatch::missing(missing.map_or("", |(name, _)| name)))
    }

    /// Returns the properties that are not listed.
    pub(crate) fn finish(&mut self) -> Other {
        std::mem::take(&mut self.other)
    }

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
        match self.names.get(self.position) {
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
    fn decode_required(&mut self, property: &mut dyn Property) -> Result<(), Invalid> {
        let json = self.json()?;
        let Err(mismatch) = property.decode(json) else { return Ok(()) };
        property.read(None)?;
        match property.decode_parts(json) {
            Some(parts) => {
                self.keep(json, Some(parts));
                Ok(())
            }
            None => {
                let name = self.take_name();
                Err(self.fail(mismatch.inside(&name)))
            }
        }
    }

    #[cold]
    fn decode_optional(&mut self, property: &mut dyn Property) -> Result<(), Invalid> {
        let json = self.json()?;
        if json.is_null() {
            property.read(None)?;
        } else if property.decode(json).is_err() {
            property.read(None)?;
            let parts = property.decode_parts(json);
            self.keep(json, parts);
        }
        Ok(())
    }

    /// Returns the value of the current property, the last one if it is repeated.
    fn json(&mut self) -> Result<Json<'de>, Invalid> {
        let text = self.text()?;
        if let Some(name) = self.names.get(self.position) {
            self.other.remove(name);
        }
        let object = self.tolerance.as_ref().map(|tolerance| tolerance.object);
        Ok(object.map_or(Json::new(text), |object| object.child(text)))
    }

    /// Keeps the current property, unless it is null.
    fn keep(&mut self, json: Json<'_>, parts: Option<Vec<u8>>) {
        if !json.is_null() {
            let name = self.take_name();
            self.other.insert(name, json, parts);
        }
    }
}
