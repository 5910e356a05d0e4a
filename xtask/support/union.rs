//! Unions. A variant that the specification does not list is kept.

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
                            $crate::property_writer::serialize(body, Some(($tag, $value)), serializer)
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
            fn empty() -> Self {
                Self::Unknown(serde_json::Value::Null)
            }

            fn read(
                &mut self,
                value: $crate::incoming::Incoming<'_, '_>,
            ) -> Result<(), $crate::incoming::Invalid> {
                use $crate::incoming::Incoming;

                *self = match value {
                    Incoming::Text(text) => Self::from_text(text),
                    $(Incoming::List(_) => {
                        let mut items: Vec<$Item> = Vec::new();
                        $crate::wire::Wire::read(&mut items, value)?;
                        Self::$Array(items)
                    })?
                    $(Incoming::Object(unread) => {
                        let tagged = $crate::tagged_object::TaggedObject::read(unread, $tag, Self::VARIANTS)?;
                        match tagged.tag() {
                            $(Some($value) => {
                                let mut body = <$Type as $crate::wire::Wire>::empty();
                                tagged.variant(&mut body)?;
                                Self::$Variant(body)
                            })+
                            _ => Self::Unknown(tagged.unknown()?),
                        }
                    })?
                    $(Incoming::Object(_) => {
                        let mut object = <$ObjectType as $crate::wire::Wire>::empty();
                        $crate::wire::Wire::read(&mut object, value)?;
                        Self::$Object(object)
                    })?
                    #[allow(unreachable_patterns)]
                    Incoming::List(_) | Incoming::Object(_) => Self::Unknown(value.into_json()?),
                    scalar => Self::from_scalar(scalar.into_json()?),
                };
                Ok(())
            }

            fn write(&self, json: &mut Vec<u8>) {
                match self {
                    $($(Self::$Constant => $crate::wire::append(json, $constant),)+)?
                    $(Self::$Text(text) => $crate::wire::Wire::write(text, json),)?
                    $(Self::$Array(items) => $crate::wire::Wire::write(items, json),)?
                    $($(Self::$Scalar(scalar) => $crate::wire::Wire::write(scalar, json),)+)?
                    $($(
                        Self::$Variant(body) => $crate::property_writer::write(body, Some(($tag, $value)), json),
                    )+)?
                    $(Self::$Object(object) => $crate::wire::Wire::write(object, json),)?
                    Self::Unknown(value) => $crate::wire::Wire::write(value, json),
                }
            }

            fn decode(
                &mut self,
                json: $crate::json::Json<'_>,
            ) -> Result<(), $crate::wire::Mismatch> {
                use $crate::json::Kind;

                let known = match json.kind() {
                    Kind::String => json.string().map(|text| Self::from_text(&text)),
                    Kind::Number | Kind::Boolean => Some(Self::from_scalar(json.value())),
                    $(Kind::List => {
                        let mut items: Vec<$Item> = Vec::new();
                        let decoded = $crate::wire::Wire::decode(&mut items, json);
                        decoded.is_ok().then_some(Self::$Array(items))
                    })?
                    $(Kind::Object => match $crate::tagged_object::tag_of(json, $tag, Self::VARIANTS) {
                        $(Some($value) => {
                            let mut body = <$Type as $crate::wire::Wire>::empty();
                            let decoded = $crate::object_reader::decode(&mut body, json, Some($tag));
                            decoded.is_ok().then_some(Self::$Variant(body))
                        })+
                        _ => None,
                    },)?
                    $(Kind::Object => {
                        let mut object = <$ObjectType as $crate::wire::Wire>::empty();
                        let decoded = $crate::wire::Wire::decode(&mut object, json);
                        decoded.is_ok().then_some(Self::$Object(object))
                    })?
                    _ => None,
                };
                *self = known.unwrap_or_else(|| Self::Unknown(json.value()));
                Ok(())
            }
        }

        $(
            impl $Name {
                const VARIANTS: $crate::tagged_object::Variants =
                    &[$(($value, <$Type as $crate::object::Object>::DESCRIPTION.properties)),+];
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

pub(crate) use union;
