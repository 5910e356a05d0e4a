//! Unions. A variant that the specification does not list is kept.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess};

use crate::wire::Wire;

/// Defines a union, whose variant is selected by a discriminator or by the kind of JSON value.
macro_rules! union {
    (
        $(#[$attribute:meta])*
        pub enum $Name:ident {
            $(constants { $($Constant:ident = $constant:literal,)+ })?
            $(text { $Text:ident })?
            $(array { $Array:ident($Item:ty) })?
            $(scalars { $($Scalar:ident($ScalarType:ty),)+ })?
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
                /// A string.
                $Text(String),
            )?
            $(
                /// A list.
                $Array(Vec<$Item>),
            )?
            $($(
                #[doc = concat!("A value of type `", stringify!($ScalarType), "`.")]
                $Scalar($ScalarType),
            )+)?
            $($(
                $(#[$variant_attribute])*
                $Variant($Type),
            )+)?
            $(
                /// An object.
                $Object($ObjectType),
            )?
            /// A value that the specification does not list.
            Unknown(serde_json::Value),
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $($(Self::$Constant => serializer.serialize_str($constant),)+)?
                    $(Self::$Text(text) => serializer.serialize_str(text),)?
                    $(Self::$Array(items) => serde::Serialize::serialize(items, serializer),)?
                    $($(Self::$Scalar(scalar) => serde::Serialize::serialize(scalar, serializer),)+)?
                    $($(
                        Self::$Variant(body) => {
                            $crate::property_writer::write(body, Some(($tag, $value)), serializer)
                        }
                    )+)?
                    $(Self::$Object(object) => serde::Serialize::serialize(object, serializer),)?
                    Self::Unknown(value) => serde::Serialize::serialize(value, serializer),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decode::deserialize(deserializer)
            }
        }

        impl $crate::wire::Wire for $Name {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Union;

                #[allow(unreachable_code, unused_variables)]
                impl<'de> serde::de::Visitor<'de> for Union {
                    type Value = $Name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(stringify!($Name))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$Name, E> {
                        Ok($Name::from_text(text))
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, items: A) -> Result<$Name, A::Error> {
                        $(return $crate::union::sequence::<Vec<$Item>, A>(items).map($Name::$Array);)?
                        $crate::union::sequence(items).map($Name::Unknown)
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, object: A) -> Result<$Name, A::Error> {
                        $(
                            let tagged = $crate::tagged_object::TaggedObject::read(object, $tag, $Name::VARIANTS)?;
                            match tagged.tag() {
                                $(Some($value) => return tagged.variant().map($Name::$Variant),)+
                                _ => {}
                            }
                            return tagged.unknown().map($Name::Unknown);
                        )?
                        $(return $crate::union::object::<$ObjectType, A>(object).map($Name::$Object);)?
                        #[allow(unreachable_code)]
                        $crate::union::object(object).map($Name::Unknown)
                    }

                    $crate::union::visit_scalars!($Name, $Name::from_scalar);
                }

                deserializer.deserialize_any(Union)
            }

            fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
                serde_json::to_vec(self)
            }

            fn from_json(json: $crate::json::Json<'_>) -> Result<Self, $crate::wire::Mismatch> {
                use $crate::json::Kind;

                let known = match json.kind() {
                    Kind::String => json.string().map(|text| Self::from_text(&text)),
                    Kind::Number | Kind::Boolean => Some(Self::from_scalar(json.value())),
                    $(Kind::List => <Vec<$Item> as $crate::wire::Wire>::from_json(json).ok().map(Self::$Array),)?
                    $(
                        Kind::Object => match $crate::tagged_object::tag_of(json, $tag, Self::VARIANTS) {
                            $(Some($value) => {
                                $crate::object_reader::from_json(json, Some($tag)).ok().map(Self::$Variant)
                            })+
                            _ => None,
                        },
                    )?
                    $(Kind::Object => <$ObjectType as $crate::wire::Wire>::from_json(json).ok().map(Self::$Object),)?
                    _ => None,
                };
                Ok(known.unwrap_or_else(|| Self::Unknown(json.value())))
            }
        }

        $(
            impl $Name {
                const VARIANTS: $crate::tagged_object::Variants =
                    &[$(($value, <$Type as $crate::object::Object>::NAMES)),+];
            }
        )?

        impl $Name {
            #[allow(unreachable_code)]
            fn from_text(text: &str) -> Self {
                $(match text {
                    $($constant => return Self::$Constant,)+
                    _ => {}
                })?
                $(return Self::$Text(text.to_owned());)?
                Self::Unknown(text.into())
            }

            fn from_scalar(value: serde_json::Value) -> Self {
                $($(
                    if let Ok(scalar) = <$ScalarType as serde::Deserialize>::deserialize(&value) {
                        return Self::$Scalar(scalar);
                    }
                )+)?
                Self::Unknown(value)
            }
        }

        $($(
            impl From<$ScalarType> for $Name {
                fn from(scalar: $ScalarType) -> Self {
                    Self::$Scalar(scalar)
                }
            }

            impl From<$ScalarType> for $crate::Field<$Name> {
                fn from(scalar: $ScalarType) -> Self {
                    Self::Value(scalar.into())
                }
            }
        )+)?

        $($(
            impl From<$Type> for $Name {
                fn from(body: $Type) -> Self {
                    Self::$Variant(body)
                }
            }

            impl From<$Type> for $crate::Field<$Name> {
                fn from(body: $Type) -> Self {
                    Self::Value(body.into())
                }
            }
        )+)?
        $(
            impl From<$ObjectType> for $Name {
                fn from(object: $ObjectType) -> Self {
                    Self::$Object(object)
                }
            }

            impl From<$ObjectType> for $crate::Field<$Name> {
                fn from(object: $ObjectType) -> Self {
                    Self::Value(object.into())
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

            impl From<&String> for $Name {
                fn from(text: &String) -> Self {
                    Self::$Text(text.to_owned())
                }
            }

            impl From<String> for $crate::Field<$Name> {
                fn from(text: String) -> Self {
                    Self::Value(text.into())
                }
            }

            impl From<&str> for $crate::Field<$Name> {
                fn from(text: &str) -> Self {
                    Self::Value(text.into())
                }
            }
        )?
        $(
            impl From<Vec<$Item>> for $Name {
                fn from(items: Vec<$Item>) -> Self {
                    Self::$Array(items)
                }
            }

            impl From<Vec<$Item>> for $crate::Field<$Name> {
                fn from(items: Vec<$Item>) -> Self {
                    Self::Value(items.into())
                }
            }
        )?
    };
}

/// Defines the methods of a visitor for scalars other than strings, which are kept as JSON.
macro_rules! visit_scalars {
    ($Value:ty, $kept:expr) => {
        $crate::union::visit_scalars!(@ $Value, $kept, visit_bool(bool));
        $crate::union::visit_scalars!(@ $Value, $kept, visit_i64(i64));
        $crate::union::visit_scalars!(@ $Value, $kept, visit_u64(u64));
        $crate::union::visit_scalars!(@ $Value, $kept, visit_f64(f64));

        fn visit_unit<E: serde::de::Error>(self) -> Result<$Value, E> {
            Ok($kept(serde_json::Value::Null))
        }
    };
    (@ $Value:ty, $kept:expr, $visit:ident($Scalar:ty)) => {
        fn $visit<E: serde::de::Error>(self, value: $Scalar) -> Result<$Value, E> {
            Ok($kept(serde_json::Value::from(value)))
        }
    };
}

pub(crate) use {union, visit_scalars};

pub(crate) fn sequence<'de, T, A>(items: A) -> Result<T, A::Error>
where
    T: Wire,
    A: SeqAccess<'de>,
{
    T::read(SeqAccessDeserializer::new(items))
}

pub(crate) fn object<'de, T, A>(object: A) -> Result<T, A::Error>
where
    T: Wire,
    A: MapAccess<'de>,
{
    T::read(MapAccessDeserializer::new(object))
}
