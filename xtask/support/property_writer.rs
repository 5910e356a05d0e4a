//! Writes the properties of an object.

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::any::Any;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::Field;
use crate::object::Object;
use crate::other::Other;

/// Writes properties. A property that is kept among the others, because its value did not decode, is
/// written there unless it was changed since.
pub(crate) struct PropertyWriter<'a, M> {
    map: M,
    /// The other properties, if there are any.
    other: Option<&'a Other>,
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
        let map = serializer.serialize_map(None)?;
        let mut writer = Self { map, other, written: Vec::new() };
        if let Some((name, value)) = discriminator {
            writer.property(name, &value)?;
        }
        Ok(writer)
    }

    /// Writes the other properties, and ends the object.
    #[inline(never)]
    fn end(mut self) -> Result<M::Ok, M::Error> {
        if let Some(other) = self.other {
            // Only `serde_json` can write a number from its text. If the name of its type changes, long
            // numbers are written as floats.
            let is_text = std::any::type_name::<M>().contains("serde_json::ser::");
            other.write(&mut self.map, &self.written, is_text)?;
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
    /// what did not decode is written as it was received, if it is what was decoded.
    pub(crate) fn required<T: Serialize + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        let parts = self.parts(name).and_then(|parts| parts.downcast_ref::<T>());
        if parts == Some(value) { Ok(()) } else { self.property(name, value) }
    }

    /// Writes a property unless it has no value.
    pub(crate) fn optional<T: Serialize + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) => self.required(name, value),
            None => self.absent(name),
        }
    }

    /// Writes a property, as null if it has no value.
    pub(crate) fn nullable<T: Serialize + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) => self.required(name, value),
            None if self.is_unchanged(name) => Ok(()),
            None => self.property(name, value),
        }
    }

    /// Writes a property that has the default value of its type if it is absent.
    pub(crate) fn or_default<T: Serialize + Default + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        match self.is_unchanged(name) && *value == T::default() {
            true => Ok(()),
            false => self.required(name, value),
        }
    }

    /// Writes a property unless it has the default value of its type.
    pub(crate) fn unless_default<T: Serialize + Default + PartialEq + 'static>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        match self.parts(name).is_none() && *value == T::default() {
            true => Ok(()),
            false => self.required(name, value),
        }
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
            Field::Absent => self.absent(name),
            Field::Null => self.property(name, value),
            Field::Value(value) => self.required(name, value),
        }
    }

    /// Writes nothing for a property without a value. If it had one, it was removed.
    fn absent(&mut self, name: &'static str) -> Result<(), M::Error> {
        if self.parts(name).is_some() {
            self.written.push(name);
        }
        Ok(())
    }

    /// Returns whether a property is kept of which nothing was decoded, so that it has no value unless
    /// one was set since.
    fn is_unchanged(&self, name: &str) -> bool {
        self.other.is_some_and(|other| other.get(name).is_some() && other.parts(name).is_none())
    }

    /// Returns what was decoded of a property that is kept.
    fn parts(&self, name: &str) -> Option<&'a (dyn Any + Send + Sync)> {
        self.other?.parts(name)
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
