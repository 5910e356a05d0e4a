//! Objects: how their properties are read and written, and the properties that the specification does
//! not list.

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::fmt;
use std::marker::PhantomData;
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde_json::{Map, Value};

use crate::Field;
use crate::wire::{Mismatch, Seed, Wire};

/// The properties of an object that the specification does not list, and those whose values are of
/// the wrong kind.
#[derive(Clone, Default)]
pub(crate) struct Other(Option<Box<Map<String, Value>>>);

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_map().fmt(f)
    }
}

impl PartialEq for Other {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            _ => self.as_map() == other.as_map(),
        }
    }
}

static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

impl Other {
    pub(crate) fn as_map(&self) -> &Map<String, Value> {
        self.0.as_deref().unwrap_or(&NONE)
    }

    /// Returns the properties, or `None` if there are none.
    fn get(&self) -> Option<&Map<String, Value>> {
        self.0.as_deref().filter(|map| !map.is_empty())
    }

    pub(crate) fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        self.0.get_or_insert_default()
    }

    fn insert(&mut self, name: impl Into<String>, value: Value) {
        self.as_map_mut().insert(name.into(), value);
    }
}

/// A generated struct.
pub(crate) trait Object: Sized {
    /// The name of the struct.
    const NAME: &'static str;

    /// Reads the properties.
    fn read_properties<S: Source>(source: S) -> Result<Self, S::Error>;

    /// Writes the properties that the specification lists.
    fn write_properties<M: SerializeMap>(&self, writer: &mut Writer<'_, M>)
    -> Result<(), M::Error>;

    /// Returns the properties that the specification does not list.
    fn other_properties(&self) -> &Other;
}

/// Where properties are read from.
pub(crate) trait Source {
    type Error;

    /// Reads the next name. Returns its position in `properties`, or the number of properties if it
    /// is not listed there, and `None` at the end.
    fn next(&mut self, properties: &[&str]) -> Result<Option<usize>, Self::Error>;

    /// Reads the value of a property that must be present.
    fn required<T: Wire>(&mut self) -> Result<Option<T>, Self::Error>;

    /// Reads the value of a property that may be null.
    fn optional<T: Wire>(&mut self) -> Result<Option<T>, Self::Error>;

    /// Reads the value of a property that is not listed, into a map of such properties.
    fn rest<T: Wire>(&mut self, rest: &mut impl Extend<(String, T)>) -> Result<(), Self::Error>;

    /// Reads the value of a property that is not listed.
    fn unknown(&mut self) -> Result<(), Self::Error>;

    /// Returns the error for a property that is not present.
    fn missing(&self, property: &'static str) -> Self::Error;

    /// Returns the properties that were not listed.
    fn finish(self) -> Other;

    /// Reads the value of a property for which null is the default value of its type.
    fn or_default<T: Wire + Default>(&mut self) -> Result<T, Self::Error> {
        self.optional().map(Option::unwrap_or_default)
    }

    /// Reads the value of a property for which null and absent differ.
    fn field<T: Wire>(&mut self) -> Result<Field<T>, Self::Error>;

    /// Returns the value of a property that must be present.
    fn present<T>(&self, property: &'static str, value: Option<T>) -> Result<T, Self::Error> {
        value.ok_or_else(|| self.missing(property))
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

/// Properties from a text that is being read, some of which may have been parsed before.
pub(crate) struct Stream<'de, A> {
    input: PhantomData<&'de ()>,
    rest: A,
    /// The properties that were parsed before, and the current one of them.
    parsed: std::vec::IntoIter<(String, Value)>,
    value: Option<Value>,
    /// Whether not all properties that were parsed before have been returned.
    has_parsed: bool,
    name: String,
    expected: usize,
    other: Other,
}

impl<A> Stream<'_, A> {
    #[inline]
    pub(crate) fn new(parsed: Vec<(String, Value)>, rest: A) -> Self {
        Self {
            input: PhantomData,
            rest,
            has_parsed: !parsed.is_empty(),
            parsed: parsed.into_iter(),
            value: None,
            name: String::new(),
            expected: 0,
            other: Other::default(),
        }
    }

    /// Returns the position of the next property that was parsed before.
    fn next_parsed(&mut self, properties: &[&str]) -> Option<usize> {
        let Some((name, value)) = self.parsed.next() else {
            self.has_parsed = false;
            return None;
        };
        self.value = Some(value);
        let position = position(properties, self.expected, name.as_bytes());
        self.name = name;
        Some(position)
    }
}

impl<'de, A: MapAccess<'de>> Stream<'de, A> {
    #[inline]
    fn value<T: Wire>(&mut self) -> Result<T, A::Error> {
        match &self.value {
            // The error is replaced when the text is parsed as a whole.
            Some(value) if self.has_parsed => {
                T::from_json(value).map_err(|_| A::Error::custom("invalid property"))
            }
            _ => self.rest.next_value_seed(Seed::new()),
        }
    }
}

impl<'de, A: MapAccess<'de>> Source for Stream<'de, A> {
    type Error = A::Error;

    #[inline]
    fn next(&mut self, properties: &[&str]) -> Result<Option<usize>, A::Error> {
        if self.has_parsed
            && let Some(position) = self.next_parsed(properties)
        {
            self.expected = position + 1;
            return Ok(Some(position));
        }
        let Self { rest, name, expected, .. } = self;
        let seed = NameSeed { properties, expected: *expected, name };
        let position = rest.next_key_seed(seed)?;
        if let Some(position) = position {
            self.expected = position + 1;
        }
        Ok(position)
    }

    #[inline]
    fn required<T: Wire>(&mut self) -> Result<Option<T>, A::Error> {
        self.value().map(Some)
    }

    #[inline]
    fn optional<T: Wire>(&mut self) -> Result<Option<T>, A::Error> {
        self.value()
    }

    fn field<T: Wire>(&mut self) -> Result<Field<T>, A::Error> {
        self.value().map(|value: Option<T>| value.map_or(Field::Null, Field::Value))
    }

    fn rest<T: Wire>(&mut self, rest: &mut impl Extend<(String, T)>) -> Result<(), A::Error> {
        let value = self.value()?;
        rest.extend([(std::mem::take(&mut self.name), value)]);
        Ok(())
    }

    fn unknown(&mut self) -> Result<(), A::Error> {
        let value = self.value()?;
        self.other.insert(std::mem::take(&mut self.name), value);
        Ok(())
    }

    fn missing(&self, property: &'static str) -> A::Error {
        A::Error::missing_field(property)
    }

    fn finish(self) -> Other {
        self.other
    }
}

/// Reads a name, and returns its position. A name that is not listed is stored.
struct NameSeed<'a> {
    properties: &'a [&'a str],
    expected: usize,
    name: &'a mut String,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        // Most names are listed, and need no validation as UTF-8.
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    #[inline]
    fn visit_bytes<E: serde::de::Error>(self, name: &[u8]) -> Result<usize, E> {
        let position = position(self.properties, self.expected, name);
        if position == self.properties.len() {
            str::from_utf8(name).map_err(E::custom)?.clone_into(self.name);
        }
        Ok(position)
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        self.visit_bytes(name.as_bytes())
    }
}

/// Properties of a parsed object. An optional property of the wrong kind is kept among the others.
pub(crate) struct Tree<'a> {
    entries: serde_json::map::Iter<'a>,
    discriminator: &'a str,
    current: Option<(&'a String, &'a Value)>,
    expected: usize,
    other: Other,
}

impl<'a> Tree<'a> {
    /// Creates a source of the properties other than the discriminator.
    pub(crate) fn new(object: &'a Map<String, Value>, discriminator: &'a str) -> Self {
        let (current, expected, other) = Default::default();
        Self { entries: object.iter(), discriminator, current, expected, other }
    }
}

impl Source for Tree<'_> {
    type Error = Mismatch;

    fn next(&mut self, properties: &[&str]) -> Result<Option<usize>, Mismatch> {
        let discriminator = self.discriminator;
        self.current = self.entries.find(|(name, _)| *name != discriminator);
        let position =
            self.current.map(|(name, _)| position(properties, self.expected, name.as_bytes()));
        self.expected = position.map_or(0, |position| position + 1);
        Ok(position)
    }

    fn required<T: Wire>(&mut self) -> Result<Option<T>, Mismatch> {
        let Some((name, value)) = self.current else { return Ok(None) };
        T::from_json(value).map(Some).map_err(|error| error.inside(name))
    }

    fn optional<T: Wire>(&mut self) -> Result<Option<T>, Mismatch> {
        let Some((_, value)) = self.current.filter(|(_, value)| !value.is_null()) else {
            return Ok(None);
        };
        match T::from_json(value) {
            Ok(value) => Ok(Some(value)),
            Err(_) => self.unknown().map(|()| T::readable_parts(value)),
        }
    }

    fn field<T: Wire>(&mut self) -> Result<Field<T>, Mismatch> {
        if self.current.is_some_and(|(_, value)| value.is_null()) {
            return Ok(Field::Null);
        }
        self.optional().map(Field::from)
    }

    fn rest<T: Wire>(&mut self, rest: &mut impl Extend<(String, T)>) -> Result<(), Mismatch> {
        let Some((name, value)) = self.current else { return Ok(()) };
        match T::from_json(value) {
            Ok(value) => rest.extend([(name.clone(), value)]),
            Err(_) => self.unknown()?,
        }
        Ok(())
    }

    fn unknown(&mut self) -> Result<(), Mismatch> {
        if let Some((name, value)) = self.current {
            self.other.insert(name, value.clone());
        }
        Ok(())
    }

    fn missing(&self, property: &'static str) -> Mismatch {
        Mismatch::missing(property)
    }

    fn finish(self) -> Other {
        self.other
    }
}

/// Reads an object.
pub(crate) struct ObjectVisitor<T>(pub(crate) PhantomData<T>);

impl<'de, T: Object> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::read_properties(Stream::new(Vec::new(), map))
    }
}

/// Decodes an object that was parsed.
pub(crate) fn from_json<T: Object>(json: &Value, discriminator: &str) -> Result<T, Mismatch> {
    let Value::Object(object) = json else {
        return Err(Mismatch::kind(json, &format!("struct {}", T::NAME)));
    };
    T::read_properties(Tree::new(object, discriminator))
}

/// Writes properties. A property that is kept among the others, because its value is of the wrong
/// kind, is written there unless it was set since.
pub(crate) struct Writer<'a, M> {
    map: M,
    other: Option<&'a Map<String, Value>>,
    written: Vec<&'static str>,
}

impl<M: SerializeMap> Writer<'_, M> {
    /// Writes a property.
    pub(crate) fn property<T: Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        if self.other.is_some() {
            self.written.push(name);
        }
        self.map.serialize_entry(name, value)
    }

    /// Writes a property that may be kept among the others: a list that lacks what did not decode is
    /// written as it was received.
    fn kept_property<T: Serialize + Wire + PartialEq>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        let received = self.other.and_then(|other| other.get(name)).and_then(T::readable_parts);
        if received.is_some_and(|received| received == *value) {
            return Ok(());
        }
        self.property(name, value)
    }

    /// Writes a property unless it has no value.
    pub(crate) fn optional<T: Serialize + Wire + PartialEq>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        value.as_ref().map_or(Ok(()), |value| self.kept_property(name, value))
    }

    /// Writes a property, as null if it has no value.
    pub(crate) fn nullable<T: Serialize + Wire + PartialEq>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) => self.kept_property(name, value),
            None if self.other.is_some_and(|other| other.contains_key(name)) => Ok(()),
            None => self.property(name, value),
        }
    }

    /// Writes a property that has the default value of its type if it is absent.
    pub(crate) fn or_default<T: Serialize + Wire + Default + PartialEq>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        if self.other.is_some_and(|other| other.contains_key(name)) && *value == T::default() {
            return Ok(());
        }
        self.kept_property(name, value)
    }

    /// Writes a property unless it has the default value of its type.
    pub(crate) fn unless_default<T: Serialize + Wire + Default + PartialEq>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        if *value == T::default() { Ok(()) } else { self.kept_property(name, value) }
    }

    /// Writes the properties of a map.
    pub(crate) fn rest<'b, T: Serialize + 'b>(
        &mut self,
        rest: impl IntoIterator<Item = (&'b String, &'b T)>,
    ) -> Result<(), M::Error> {
        rest.into_iter().try_for_each(|(name, value)| self.map.serialize_entry(name, value))
    }

    /// Writes a property unless it is absent.
    pub(crate) fn field<T: Serialize + Wire + PartialEq>(
        &mut self,
        name: &'static str,
        value: &Field<T>,
    ) -> Result<(), M::Error> {
        match value {
            Field::Absent => Ok(()),
            Field::Null => self.property(name, value),
            Field::Value(value) => self.kept_property(name, value),
        }
    }
}

/// Writes an object, with the discriminator first.
pub(crate) fn write<T: Object, S: serde::Serializer>(
    object: &T,
    discriminator: Option<(&'static str, &'static str)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let other = object.other_properties().get();
    let map = serializer.serialize_map(None)?;
    let mut writer = Writer { map, other, written: Vec::new() };
    if let Some((name, value)) = discriminator {
        writer.property(name, &value)?;
    }
    object.write_properties(&mut writer)?;
    let Writer { mut map, written, .. } = writer;
    for (name, value) in other.into_iter().flatten() {
        if written.contains(&name.as_str()) {
            continue;
        }
        map.serialize_entry(name, value)?;
    }
    map.end()
}

/// Implements what all objects have in common.
#[allow(unused_macros)]
macro_rules! objects {
    ($($Name:ident,)+) => {$(
        impl $crate::wire::Wire for $Name {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map($crate::object::ObjectVisitor(std::marker::PhantomData))
            }

            fn from_json(json: &serde_json::Value) -> Result<Self, $crate::wire::Mismatch> {
                $crate::object::from_json(json, "")
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decode::deserialize(deserializer)
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::object::write(self, None, serializer)
            }
        }
    )+};
}

/// Implements what all recursive lists and maps have in common.
#[allow(unused_macros)]
macro_rules! newtypes {
    ($($Name:ident,)+) => {$(
        impl $crate::wire::Wire for $Name {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::wire::Wire::read(deserializer).map(Self)
            }

            fn from_json(json: &serde_json::Value) -> Result<Self, $crate::wire::Mismatch> {
                $crate::wire::Wire::from_json(json).map(Self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decode::deserialize(deserializer)
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&self.0, serializer)
            }
        }
    )+};
}

#[allow(unused_imports)]
pub(crate) use {newtypes, objects};
