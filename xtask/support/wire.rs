//! How values that the specification does not list are kept.
//!
//! An enum value, a variant of a union or an event that nobody knew when this crate was generated
//! is no error: it is kept as it came in the `Unknown` variant, and written back unchanged.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StringDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Defines a string enum that keeps the values it does not know.
macro_rules! open_enum {
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident { $($Variant:ident = $value:literal,)+ }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $Name {
            $(
                #[doc = concat!("`", $value, "`")]
                $Variant,
            )+
            /// A value that the specification does not list, as it came.
            Unknown(String),
        }

        impl $Name {
            /// The value as it is on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$Variant => $value,)+
                    Self::Unknown(value) => value,
                }
            }

            fn known(value: &str) -> Option<Self> {
                match value {
                    $($value => Some(Self::$Variant),)+
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl AsRef<str> for $Name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl PartialEq<str> for $Name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $Name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl From<&str> for $Name {
            fn from(value: &str) -> Self {
                Self::known(value).unwrap_or_else(|| Self::Unknown(value.to_owned()))
            }
        }

        impl From<String> for $Name {
            fn from(value: String) -> Self {
                Self::known(&value).unwrap_or(Self::Unknown(value))
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::wire::StringVisitor(
                    Self::known,
                    Self::Unknown,
                ))
            }
        }
    };
}

/// Defines a one-value string: what tells an object from others of its kind.
macro_rules! constant {
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident { $Variant:ident = $value:literal }
    ) => {
        open_enum! {
            $(#[$attribute])*
            pub enum $Name { $Variant = $value, }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::$Variant
            }
        }
    };
}

/// Defines a union told apart by the value of one property, or by the kind of JSON value.
macro_rules! union {
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident {
            $(constants { $($Constant:ident = $constant:literal,)+ })?
            $(text { $Text:ident })?
            $(array { $Array:ident($Item:ty) })?
            $(tagged $tag:literal { $($(#[$variant_attribute:meta])* $Variant:ident($Type:ty) = $value:literal,)+ })?
            $(object { $Object:ident($ObjectType:ty) })?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        #[allow(clippy::large_enum_variant)]
        pub enum $Name {
            $($(
                #[doc = concat!("The string `", $constant, "`.")]
                $Constant,
            )+)?
            $(
                /// Plain text.
                $Text(String),
            )?
            $(
                /// A list.
                $Array(Vec<$Item>),
            )?
            $($(
                $(#[$variant_attribute])*
                $Variant($Type),
            )+)?
            $(
                /// An object.
                $Object($ObjectType),
            )?
            /// What the specification does not list, as it came.
            Unknown(serde_json::Value),
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $(
                    #[derive(serde::Serialize)]
                    struct Tagged<'a, T> {
                        #[serde(rename = $tag)]
                        tag: &'static str,
                        #[serde(flatten)]
                        body: &'a T,
                    }
                )?
                match self {
                    $($(Self::$Constant => serializer.serialize_str($constant),)+)?
                    $(Self::$Text(text) => serializer.serialize_str(text),)?
                    $(Self::$Array(items) => serde::Serialize::serialize(items, serializer),)?
                    $($(
                        Self::$Variant(body) => {
                            serde::Serialize::serialize(&Tagged { tag: $value, body }, serializer)
                        }
                    )+)?
                    $(Self::$Object(object) => serde::Serialize::serialize(object, serializer),)?
                    Self::Unknown(value) => serde::Serialize::serialize(value, serializer),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Union;

                #[allow(unreachable_code, unused_variables)]
                impl<'de> serde::de::Visitor<'de> for Union {
                    type Value = $Name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(stringify!($Name))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$Name, E> {
                        $(match text {
                            $($constant => return Ok($Name::$Constant),)+
                            _ => {}
                        })?
                        $(return Ok($Name::$Text(text.to_owned()));)?
                        Ok($Name::Unknown(text.into()))
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, items: A) -> Result<$Name, A::Error> {
                        $(return $crate::wire::sequence::<Vec<$Item>, A>(items).map($Name::$Array);)?
                        $crate::wire::sequence(items).map($Name::Unknown)
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, object: A) -> Result<$Name, A::Error> {
                        $(
                            const KNOWN: &[&str] = &[$($value),+];
                            let tagged = $crate::wire::TaggedObject::read(object, $tag, KNOWN)?;
                            $(
                                if tagged.is($value) {
                                    return tagged.variant().map($Name::$Variant);
                                }
                            )+
                            return tagged.unknown().map($Name::Unknown);
                        )?
                        $(return $crate::wire::object::<$ObjectType, A>(object).map($Name::$Object);)?
                        #[allow(unreachable_code)]
                        $crate::wire::object(object).map($Name::Unknown)
                    }

                    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<$Name, E> {
                        Ok($Name::Unknown(value.into()))
                    }

                    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<$Name, E> {
                        Ok($Name::Unknown(value.into()))
                    }

                    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<$Name, E> {
                        Ok($Name::Unknown(value.into()))
                    }

                    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<$Name, E> {
                        Ok($Name::Unknown(value.into()))
                    }

                    fn visit_unit<E: serde::de::Error>(self) -> Result<$Name, E> {
                        Ok($Name::Unknown(serde_json::Value::Null))
                    }
                }

                deserializer.deserialize_any(Union)
            }
        }

        $($(
            impl From<$Type> for $Name {
                fn from(body: $Type) -> Self {
                    Self::$Variant(body)
                }
            }
        )+)?
        $(
            impl From<$ObjectType> for $Name {
                fn from(object: $ObjectType) -> Self {
                    Self::$Object(object)
                }
            }
        )?
        $(
            impl From<String> for $Name {
                fn from(text: String) -> Self {
                    Self::$Text(text)
                }
            }

            impl From<&str> for $Name {
                fn from(text: &str) -> Self {
                    Self::$Text(text.to_owned())
                }
            }
        )?
        $(
            impl From<Vec<$Item>> for $Name {
                fn from(items: Vec<$Item>) -> Self {
                    Self::$Array(items)
                }
            }
        )?
    };
}

/// Defines the events of a stream: a name and the data that goes with it.
macro_rules! events {
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident {
            events { $($(#[$variant_attribute:meta])* $Variant:ident($Type:ty) = $event:literal,)+ }
            $(plain { $($(#[$plain_attribute:meta])* $Plain:ident = $plain_event:literal => $data:literal,)+ })?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        #[allow(clippy::large_enum_variant)]
        pub enum $Name {
            $(
                $(#[$variant_attribute])*
                $Variant($Type),
            )+
            $($(
                $(#[$plain_attribute])*
                $Plain,
            )+)?
            /// An event that the specification does not list, as it came.
            Unknown {
                /// The event's name.
                event: String,
                /// Its data, as text: most often JSON.
                data: String,
            },
        }

        impl $Name {
            /// The event's name, as in the `event:` line of a server-sent event.
            pub fn event(&self) -> &str {
                match self {
                    $(Self::$Variant(_) => $event,)+
                    $($(Self::$Plain => $plain_event,)+)?
                    Self::Unknown { event, .. } => event,
                }
            }

            /// The event's data, as in the `data:` line of a server-sent event.
            ///
            /// # Errors
            ///
            /// When the data cannot be written as JSON.
            pub fn data(&self) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$Variant(data) => serde_json::to_string(data),)+
                    $($(Self::$Plain => Ok($data.to_owned()),)+)?
                    Self::Unknown { data, .. } => Ok(data.clone()),
                }
            }

            /// Decodes an event from its name and its data. Data that stands in an object under the
            /// event's own name, as some servers send errors, is taken out of it.
            ///
            /// # Errors
            ///
            /// When the event is one of the specification's and its data is not what belongs to it:
            /// an error that names the JSON path, what was expected there and what was there.
            pub fn decode(event: &str, data: &str) -> Result<Self, serde_json::Error> {
                match event {
                    $($event => $crate::wire::event_data($event, data).map(Self::$Variant),)+
                    $($($plain_event if data == $data => Ok(Self::$Plain),)+)?
                    _ => Ok(Self::Unknown { event: event.to_owned(), data: data.to_owned() }),
                }
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct as _;
                let mut pair = serializer.serialize_struct(stringify!($Name), 2)?;
                pair.serialize_field("event", self.event())?;
                match self {
                    $(Self::$Variant(data) => pair.serialize_field("data", data)?,)+
                    $($(Self::$Plain => pair.serialize_field("data", $data)?,)+)?
                    Self::Unknown { data, .. } => match serde_json::from_str::<serde_json::Value>(data) {
                        Ok(value) => pair.serialize_field("data", &value)?,
                        Err(_) => pair.serialize_field("data", data)?,
                    },
                }
                pair.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;

                #[derive(serde::Deserialize)]
                struct Pair {
                    event: String,
                    data: serde_json::Value,
                }

                let pair = Pair::deserialize(deserializer)?;
                // Plain text stands in a string; what is not known keeps its quotes.
                let data = match &pair.data {
                    serde_json::Value::String(text) if Self::is_plain(&pair.event) => text.clone(),
                    data => data.to_string(),
                };
                Self::decode(&pair.event, &data).map_err(D::Error::custom)
            }
        }

        impl $Name {
            fn is_plain(event: &str) -> bool {
                match event {
                    $($($plain_event => true,)+)?
                    _ => false,
                }
            }
        }
    };
}

/// The data of an event. Some servers put an error's into an object under the event's name.
pub(crate) fn event_data<T: serde::de::DeserializeOwned>(
    event: &str,
    data: &str,
) -> Result<T, serde_json::Error> {
    crate::decode::decode(data.as_bytes()).or_else(|error| {
        let mut whole: Map<String, Value> = match serde_json::from_str(data) {
            Ok(Value::Object(whole)) => whole,
            _ => return Err(error),
        };
        match whole.remove(event) {
            Some(inner) if whole.is_empty() => crate::decode::decode(inner.to_string().as_bytes()),
            _ => Err(error),
        }
    })
}

pub(crate) use {constant, events, open_enum, union};

/// Decodes a string enum without allocating for the values it knows.
pub(crate) struct StringVisitor<T>(pub(crate) fn(&str) -> Option<T>, pub(crate) fn(String) -> T);

impl<T> Visitor<'_> for StringVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        Ok((self.0)(value).unwrap_or_else(|| (self.1)(value.to_owned())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<T, E> {
        Ok((self.0)(&value).unwrap_or_else(|| (self.1)(value)))
    }
}

/// A list that a provider may send as null.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

pub(crate) fn sequence<'de, T, A>(items: A) -> Result<T, A::Error>
where
    T: Deserialize<'de>,
    A: serde::de::SeqAccess<'de>,
{
    T::deserialize(SeqAccessDeserializer::new(items))
}

pub(crate) fn object<'de, T, A>(object: A) -> Result<T, A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    T::deserialize(MapAccessDeserializer::new(object))
}

/// An object read up to the property that tells what it is.
///
/// What came before that property is held; what comes after it is still unread, so that a variant
/// is decoded straight from the input when its tag comes early.
pub(crate) struct TaggedObject<A> {
    name: &'static str,
    tag: Tag,
    before: Vec<(String, Value)>,
    rest: A,
}

enum Tag {
    Known(&'static str),
    Other(Value),
    Missing,
}

impl<'de, A: MapAccess<'de>> TaggedObject<A> {
    pub(crate) fn read(
        mut object: A,
        name: &'static str,
        known: &'static [&'static str],
    ) -> Result<Self, A::Error> {
        let mut before = Vec::new();
        let mut tag = Tag::Missing;
        while let Some(key) = object.next_key_seed(KeySeed(name))? {
            match key {
                Some(key) => before.push((key, object.next_value()?)),
                None => {
                    tag = object.next_value_seed(TagSeed(known))?;
                    break;
                }
            }
        }
        Ok(Self { name, tag, before, rest: object })
    }

    pub(crate) fn is(&self, value: &str) -> bool {
        matches!(self.tag, Tag::Known(known) if known == value)
    }

    /// Decodes the variant, without the tag.
    pub(crate) fn variant<T: Deserialize<'de>>(self) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(Joined {
            before: self.before.into_iter(),
            value: None,
            rest: self.rest,
        }))
    }

    /// Keeps the whole object as it came.
    pub(crate) fn unknown(mut self) -> Result<Value, A::Error> {
        let mut whole: Map<String, Value> = self.before.into_iter().collect();
        match self.tag {
            Tag::Known(value) => drop(whole.insert(self.name.to_owned(), value.into())),
            Tag::Other(value) => drop(whole.insert(self.name.to_owned(), value)),
            Tag::Missing => {}
        }
        while let Some((key, value)) = self.rest.next_entry()? {
            whole.insert(key, value);
        }
        Ok(Value::Object(whole))
    }
}

/// Reads a key: none for the tag's.
struct KeySeed(&'static str);

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok((key != self.0).then(|| key.to_owned()))
    }
}

/// Reads a tag: which of the known ones it is, or what else.
struct TagSeed(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for TagSeed {
    type Value = Tag;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tag, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TagSeed {
    type Value = Tag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, tag: &str) -> Result<Tag, E> {
        Ok(match self.0.iter().find(|known| **known == tag) {
            Some(known) => Tag::Known(known),
            None => Tag::Other(tag.into()),
        })
    }

    fn visit_bool<E: Error>(self, tag: bool) -> Result<Tag, E> {
        Ok(Tag::Other(tag.into()))
    }

    fn visit_i64<E: Error>(self, tag: i64) -> Result<Tag, E> {
        Ok(Tag::Other(tag.into()))
    }

    fn visit_u64<E: Error>(self, tag: u64) -> Result<Tag, E> {
        Ok(Tag::Other(tag.into()))
    }

    fn visit_f64<E: Error>(self, tag: f64) -> Result<Tag, E> {
        Ok(Tag::Other(tag.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Tag, E> {
        Ok(Tag::Other(Value::Null))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, items: A) -> Result<Tag, A::Error> {
        sequence(items).map(Tag::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Tag, A::Error> {
        object(entries).map(Tag::Other)
    }
}

/// The entries already read, then those still to be read, as one object.
struct Joined<A> {
    before: std::vec::IntoIter<(String, Value)>,
    value: Option<Value>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Joined<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.before.next() {
            Some((key, value)) => {
                self.value = Some(value);
                seed.deserialize(StringDeserializer::new(key)).map(Some)
            }
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(A::Error::custom),
            None => self.rest.next_value_seed(seed),
        }
    }
}
