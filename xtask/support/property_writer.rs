//! Writes the properties of an object.

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::Field;
use crate::object::Object;
use crate::other::Other;

/// Writes properties. A property that is kept among the others, because its value is of the wrong
/// kind, is written there unless it was set since.
pub(crate) struct PropertyWriter<'a, M> {
    map: M,
    /// The other properties, if there are any.
    other: Option<&'a Other>,
    is_text: bool,
    written: Vec<&'static str>,
}

impl<'a, M: SerializeMap> PropertyWriter<'a, M> {
    /// Starts an object, with the discriminator first.
    #[inline(never)]
    fn start<S: Serializer<SerializeMap = M, Error = M::Error>>(
        other: &'a Other,
        discriminator: Option<(&'static str, &'static str)>,
        serializer: S,
    ) -> Result<Self, M::Error> {
        let other = Some(other).filter(|other| !other.is_empty());
        let is_text = serializer.is_human_readable();
        let map = serializer.serialize_map(None)?;
        let mut writer = Self { map, other, is_text, written: Vec::new() };
        if let Some((name, value)) = discriminator {
            writer.property(name, &value)?;
        }
        Ok(writer)
    }

    /// Writes the other properties, and ends the object.
    #[inline(never)]
    fn end(mut self) -> Result<M::Ok, M::Error> {
        if let Some(other) = self.other {
            other.write(&mut self.map, &self.written, self.is_text)?;
        }
        self.map.end()
    }

    #[inline(never)]
    fn name(&mut self, name: &'static str) -> Result<(), M::Error> {
        if self.other.is_some() {
            self.written.push(name);
        }
        self.map.serialize_key(name)
    }

    fn property<T: Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), M::Error> {
        self.name(name)?;
        self.map.serialize_value(value)
    }

    /// Writes a property that must be present. It may be kept among the others: a list that lacks
    /// what did not decode is written as it was received.
    pub(crate) fn required<T: Serialize + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        if self.other.is_some_and(|other| other.has_parts(name, value)) {
            return Ok(());
        }
        self.property(name, value)
    }

    /// Writes a property unless it has no value.
    pub(crate) fn optional<T: Serialize + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        value.as_ref().map_or(Ok(()), |value| self.required(name, value))
    }

    /// Writes a property, as null if it has no value.
    pub(crate) fn nullable<T: Serialize + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) => self.required(name, value),
            None if self.is_kept(name) => Ok(()),
            None => self.property(name, value),
        }
    }

    /// Writes a property that has the default value of its type if it is absent.
    pub(crate) fn or_default<T: Serialize + Default + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        if self.is_kept(name) && *value == T::default() {
            return Ok(());
        }
        self.required(name, value)
    }

    /// Writes a property unless it has the default value of its type.
    pub(crate) fn unless_default<T: Serialize + Default + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        if *value == T::default() { Ok(()) } else { self.required(name, value) }
    }

    /// Writes the properties of a map.
    pub(crate) fn rest<'b, T: Serialize + 'b>(
        &mut self,
        rest: impl IntoIterator<Item = (&'b String, &'b T)>,
    ) -> Result<(), M::Error> {
        rest.into_iter().try_for_each(|(name, value)| self.map.serialize_entry(name, value))
    }

    /// Writes a property unless it is absent.
    pub(crate) fn field<T: Serialize + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &Field<T>,
    ) -> Result<(), M::Error> {
        match value {
            Field::Absent => Ok(()),
            Field::Null => self.property(name, value),
            Field::Value(value) => self.required(name, value),
        }
    }

    fn is_kept(&self, name: &str) -> bool {
        self.other.is_some_and(|other| other.get(name).is_some())
    }
}

/// Writes an object, with the discriminator first. Only what depends on its type is compiled for each
/// type.
pub(crate) fn write<T: Object, S: Serializer>(
    object: &T,
    discriminator: Option<(&'static str, &'static str)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut writer = PropertyWriter::start(object.other_properties(), discriminator, serializer)?;
    object.write_properties(&mut writer)?;
    writer.end()
}
