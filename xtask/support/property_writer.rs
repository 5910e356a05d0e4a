//! Writes the properties of an object.

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::convert::Infallible;

use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Field;
use crate::object::Object;
use crate::other::Other;
use crate::wire::{Wire, append};

/// Where properties are written.
pub(crate) trait Output {
    type Error;

    /// Writes a property.
    fn property<T: Wire>(&mut self, name: &str, value: &T) -> Result<(), Self::Error>;

    /// Writes a property that must be present.
    fn required<T: Wire>(
        writer: &mut PropertyWriter<'_, Self>,
        name: &'static str,
        value: &T,
    ) -> Result<(), Self::Error>
    where
        Self: Sized;

    /// Writes a property of any value. `text` is the text of a value that [`Value`] cannot hold exactly.
    fn json(
        &mut self,
        name: &str,
        value: &Value,
        text: Option<&RawValue>,
    ) -> Result<(), Self::Error>;
}

/// A serializer's map.
struct MapOutput<M>(M);

impl<M: SerializeMap> Output for MapOutput<M> {
    type Error = M::Error;

    fn property<T: Wire>(&mut self, name: &str, value: &T) -> Result<(), M::Error> {
        self.0.serialize_entry(name, value)
    }

    fn required<T: Wire>(
        writer: &mut PropertyWriter<'_, Self>,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        match writer.choice(name, value) {
            Choice::Kept => Ok(()),
            Choice::Value | Choice::Json(_) => writer.output.property(name, value),
        }
    }

    fn json(&mut self, name: &str, value: &Value, text: Option<&RawValue>) -> Result<(), M::Error> {
        // Only `serde_json` can write a number from its text. If the name of its type changes, long
        // numbers are written as floats.
        match text.filter(|_| std::any::type_name::<M>().contains("serde_json::ser::")) {
            Some(text) => self.0.serialize_entry(name, text),
            None => self.0.serialize_entry(name, value),
        }
    }
}

/// A value of any type, so that what writes it is compiled once.
trait ToJson {
    fn write(&self, json: &mut Vec<u8>);
}

impl<T: Wire> ToJson for T {
    fn write(&self, json: &mut Vec<u8>) {
        Wire::write(self, json);
    }
}

/// JSON text.
pub(crate) struct TextOutput<'a> {
    json: &'a mut Vec<u8>,
    is_empty: bool,
}

impl TextOutput<'_> {
    fn name(&mut self, name: &str) {
        if !self.is_empty {
            self.json.push(b',');
        }
        self.is_empty = false;
        // Nearly all names are written as they are.
        if name.bytes().any(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')) {
            append(self.json, name);
        } else {
            self.json.reserve(name.len() + 3);
            self.json.push(b'"');
            self.json.extend_from_slice(name.as_bytes());
            self.json.push(b'"');
        }
        self.json.push(b':');
    }

    fn value(&mut self, name: &str, value: &dyn ToJson) {
        self.name(name);
        value.write(self.json);
    }
}

impl Output for TextOutput<'_> {
    type Error = Infallible;

    fn property<T: Wire>(&mut self, name: &str, value: &T) -> Result<(), Infallible> {
        self.value(name, value);
        Ok(())
    }

    fn required<T: Wire>(
        writer: &mut PropertyWriter<'_, Self>,
        name: &'static str,
        value: &T,
    ) -> Result<(), Infallible> {
        writer.required_text(name, value);
        Ok(())
    }

    fn json(
        &mut self,
        name: &str,
        value: &Value,
        text: Option<&RawValue>,
    ) -> Result<(), Infallible> {
        self.name(name);
        match text {
            Some(text) => self.json.extend(text.get().bytes()),
            None => append(self.json, value),
        }
        Ok(())
    }
}

/// How a property is written.
enum Choice {
    /// Among the other properties: what was decoded of it is unchanged.
    Kept,
    /// As its value.
    Value,
    /// As the JSON of its value, which was compared. To write the value again would write what it
    /// contains twice at each level.
    Json(Vec<u8>),
}

/// Writes properties. A property that is kept among the others, because its value did not decode, is
/// written there unless it was changed since.
pub(crate) struct PropertyWriter<'a, O> {
    output: O,
    /// The other properties, if there are any.
    other: Option<&'a Other>,
    written: Vec<&'a str>,
}

impl<'a, O: Output> PropertyWriter<'a, O> {
    fn new(output: O, other: &'a Other) -> Self {
        let other = Some(other).filter(|other| !other.is_empty());
        Self { output, other, written: Vec::new() }
    }

    /// Writes the other properties.
    fn write_other(&mut self) -> Result<(), O::Error> {
        let Some(other) = self.other else { return Ok(()) };
        for (name, value, text) in other.iter() {
            if !self.written.contains(&name) {
                self.output.json(name, value, text)?;
            }
        }
        Ok(())
    }

    fn property<T: Wire>(&mut self, name: &'static str, value: &T) -> Result<(), O::Error> {
        if self.other.is_some() {
            self.written.push(name);
        }
        self.output.property(name, value)
    }

    /// Returns how a property is written if there are other properties.
    #[inline]
    fn choice(&mut self, name: &'static str, value: &dyn ToJson) -> Choice {
        if self.other.is_none() { Choice::Value } else { self.choice_with_other(name, value) }
    }

    #[cold]
    #[inline(never)]
    fn choice_with_other(&mut self, name: &'static str, value: &dyn ToJson) -> Choice {
        let Some(parts) = self.parts(name) else {
            self.written.push(name);
            return Choice::Value;
        };
        let mut json = Vec::new();
        value.write(&mut json);
        if parts.as_bytes() == json {
            return Choice::Kept;
        }
        self.written.push(name);
        Choice::Json(json)
    }

    /// Writes a property that must be present. It may be kept among the others: a list that lacks
    /// what did not decode is written as it was received, if it is what was decoded.
    pub(crate) fn required<T: Wire>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), O::Error> {
        O::required(self, name, value)
    }

    /// Writes a property unless it has no value.
    pub(crate) fn optional<T: Wire>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), O::Error> {
        match value {
            Some(value) => self.required(name, value),
            None => self.absent(name),
        }
    }

    /// Writes a property, as null if it has no value.
    pub(crate) fn nullable<T: Wire>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), O::Error> {
        match value {
            Some(value) => self.required(name, value),
            None if self.is_unchanged(name) => Ok(()),
            None => self.null(name),
        }
    }

    /// Writes a property that has the default value of its type if it is absent.
    pub(crate) fn or_default<T: Wire>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), O::Error> {
        match self.is_unchanged(name) && value.is_empty_value() {
            true => Ok(()),
            false => self.required(name, value),
        }
    }

    /// Writes a property unless it has the default value of its type.
    pub(crate) fn unless_default<T: Wire>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), O::Error> {
        match self.parts(name).is_none() && value.is_empty_value() {
            true => Ok(()),
            false => self.required(name, value),
        }
    }

    /// Writes the properties of a map.
    pub(crate) fn rest<'b, T: Wire>(
        &mut self,
        rest: impl IntoIterator<Item = (&'b String, &'b T)>,
    ) -> Result<(), O::Error> {
        for (name, value) in rest {
            // A value that did not decode was replaced.
            self.written.extend(self.other.and_then(|other| other.name(name)));
            self.output.property(name, value)?;
        }
        Ok(())
    }

    /// Writes a property unless it is absent.
    pub(crate) fn field<T: Wire>(
        &mut self,
        name: &'static str,
        value: &Field<T>,
    ) -> Result<(), O::Error> {
        match value {
            Field::Absent => self.absent(name),
            Field::Null => self.null(name),
            Field::Value(value) => self.required(name, value),
        }
    }

    fn null(&mut self, name: &'static str) -> Result<(), O::Error> {
        self.property(name, &Value::Null)
    }

    /// Writes nothing for a property without a value. If it had one, it was removed.
    fn absent(&mut self, name: &'static str) -> Result<(), O::Error> {
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
    fn parts(&self, name: &str) -> Option<&'a str> {
        self.other?.parts(name)
    }
}

impl PropertyWriter<'_, TextOutput<'_>> {
    #[inline(never)]
    fn required_text(&mut self, name: &'static str, value: &dyn ToJson) {
        match self.choice(name, value) {
            Choice::Kept => {}
            Choice::Value => self.output.value(name, value),
            Choice::Json(json) => {
                self.output.name(name);
                self.output.json.extend(json);
            }
        }
    }
}

/// An object of any type.
pub(crate) trait TextObject {
    fn other_properties(&self) -> &Other;
    fn write_text(&self, writer: &mut PropertyWriter<'_, TextOutput<'_>>);
}

impl<T: Object> TextObject for T {
    fn other_properties(&self) -> &Other {
        Object::other_properties(self)
    }

    fn write_text(&self, writer: &mut PropertyWriter<'_, TextOutput<'_>>) {
        let Ok(()) = self.write_properties(writer);
    }
}

/// Appends an object as JSON text, with the discriminator first.
pub(crate) fn write(
    object: &dyn TextObject,
    discriminator: Option<(&'static str, &'static str)>,
    json: &mut Vec<u8>,
) {
    json.push(b'{');
    let mut output = TextOutput { json, is_empty: true };
    if let Some((name, value)) = discriminator {
        output.name(name);
        append(output.json, value);
    }
    let mut writer = PropertyWriter::new(output, object.other_properties());
    object.write_text(&mut writer);
    let Ok(()) = writer.write_other();
    writer.output.json.push(b'}');
}

/// Serializes an object, with the discriminator first.
pub(crate) fn serialize<T: Object, S: Serializer>(
    object: &T,
    discriminator: Option<(&'static str, &'static str)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    if let Some((name, value)) = discriminator {
        map.serialize_entry(name, value)?;
    }
    let mut writer = PropertyWriter::new(MapOutput(map), object.other_properties());
    object.write_properties(&mut writer)?;
    writer.write_other()?;
    writer.output.0.end()
}
