//! JSON text that is decoded value by value.
//!
//! [`Value`] cannot hold everything that is valid JSON: integers of more than 64 bits, numbers out of
//! the range of `f64`, strings with a lone surrogate, and values that are nested too deeply. The text
//! of a value can, so that such a value affects nothing but itself.

#![allow(dead_code, reason = "a specification need not have properties of every kind")]

use std::borrow::Cow;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::decode::excerpt;

/// Maximum depth of nested values, which is that of `serde_json`.
pub(crate) const MAX_DEPTH: u8 = 128;

/// The text of a value.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a> {
    text: &'a RawValue,
    /// The number of values around it.
    depth: u8,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    List,
    Object,
}

impl<'a> Json<'a> {
    pub(crate) fn new(text: &'a RawValue) -> Self {
        Self::at_depth(text, 0)
    }

    pub(crate) fn at_depth(text: &'a RawValue, depth: u8) -> Self {
        Self { text, depth }
    }

    /// Returns a value inside this one.
    fn child<'b>(&self, text: &'b RawValue) -> Json<'b> {
        Json { text, depth: self.depth.saturating_add(1) }
    }

    /// Returns the number of values around it.
    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }

    /// Returns whether the value is nested too deeply to be decoded.
    pub(crate) fn is_too_deep(&self) -> bool {
        self.depth >= MAX_DEPTH
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text.get()
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.text().as_bytes().first() {
            Some(b'n') => Kind::Null,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'"') => Kind::String,
            Some(b'[') => Kind::List,
            Some(b'{') => Kind::Object,
            _ => Kind::Number,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// Returns the content of a string. Lone surrogates are replaced.
    pub(crate) fn string(&self) -> Option<Cow<'a, str>> {
        let content = self.text().strip_prefix('"')?.strip_suffix('"')?;
        if !content.contains('\\') {
            return Some(Cow::Borrowed(content));
        }
        serde_json::from_str(self.text()).ok().map(|LossyString(content)| Cow::Owned(content))
    }

    /// Returns the value. If [`Value`] cannot hold it, it is a string with its text.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_else(|_| self.text().into())
    }

    /// Returns the start of the value for an error message.
    pub(crate) fn excerpt(&self) -> String {
        match serde_json::from_str(self.text()) {
            // Without the spaces between values.
            Ok(value @ (Value::Array(_) | Value::Object(_))) => excerpt(&value.to_string()),
            _ => excerpt(self.text()),
        }
    }

    /// Returns the items of a list.
    pub(crate) fn items(&self) -> Option<Vec<Json<'a>>> {
        let items: Vec<&'a RawValue> = serde_json::from_str(self.text()).ok()?;
        Some(items.into_iter().map(|item| self.child(item)).collect())
    }

    /// Returns the entries of an object.
    pub(crate) fn entries(&self) -> Option<Vec<(String, Json<'a>)>> {
        let Properties(entries) = serde_json::from_str(self.text()).ok()?;
        Some(entries.into_iter().map(|(name, value)| (name, self.child(value))).collect())
    }
}

/// Returns a text in which each lone surrogate is one replacement character.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // Each byte of a surrogate is a chunk. Only the first is not a continuation byte.
        if chunk.invalid().first().is_some_and(|byte| !matches!(byte, 0x80..0xC0)) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Cow::Owned(text)
}

/// A string in which lone surrogates are replaced.
struct LossyString(String);

impl<'de> Deserialize<'de> for LossyString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lossy;

        impl Visitor<'_> for Lossy {
            type Value = LossyString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<LossyString, E> {
                Ok(LossyString(lossy(bytes).into_owned()))
            }
        }

        // As bytes, a string may have lone surrogates.
        deserializer.deserialize_bytes(Lossy)
    }
}

/// The names and the texts of the properties of an object, in order.
pub(crate) struct Properties<'de>(pub(crate) Vec<(String, &'de RawValue)>);

impl<'de> Deserialize<'de> for Properties<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Properties<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut properties = Vec::new();
                while let Some((LossyString(name), value)) = map.next_entry()? {
                    properties.push((name, value));
                }
                Ok(Properties(properties))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The name with which `serde_json` is asked for the text of a value. Under another name it would
/// return the value, whose text is then created.
const TEXT: &str = "$serde_json::private::RawValue";

/// The text of a value from any deserializer. That of `serde_json` returns it as it is in the input.
pub(crate) struct JsonText(pub(crate) String);

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        Self(value.to_string())
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TEXT, TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = JsonText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<JsonText, D::Error> {
        Value::deserialize(value).map(JsonText::from)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<JsonText, D::Error> {
        Value::deserialize(value).map(JsonText::from)
    }

    fn visit_none<E: Error>(self) -> Result<JsonText, E> {
        self.visit_unit()
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<JsonText, E> {
        Ok(JsonText::from(Value::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<JsonText, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(items)).map(JsonText::from)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<JsonText, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if name == TEXT {
                return entries.next_value().map(JsonText);
            }
            object.insert(name, entries.next_value()?);
        }
        Ok(JsonText::from(Value::Object(object)))
    }

    fn visit_unit<E: Error>(self) -> Result<JsonText, E> {
        Ok(JsonText::from(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<JsonText, E> {
        Ok(JsonText::from(Value::from(value)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<JsonText, E> {
        Ok(JsonText::from(Value::from(number)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<JsonText, E> {
        Ok(JsonText::from(Value::from(number)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<JsonText, E> {
        Ok(JsonText::from(Value::from(number)))
    }
}
