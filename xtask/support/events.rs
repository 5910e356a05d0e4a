//! Events of a stream. An event that the specification does not list is kept.

use crate::json::Json;

/// Defines the events of a stream: each has a name and data.
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
        pub enum $Name {
            $(
                $(#[$variant_attribute])*
                $Variant($Type),
            )+
            $($(
                $(#[$plain_attribute])*
                $Plain,
            )+)?
            /// An event that the specification does not list.
            Unknown {
                /// The name.
                event: String,
                /// The data as text, usually JSON.
                data: String,
            },
        }

        impl $crate::validate::Limited for $Name {}

        impl $crate::wire::Wire for $Name {
            fn empty() -> Self {
                Self::Unknown { event: String::new(), data: String::new() }
            }

            fn target(&mut self) -> $crate::slot::Target<'_> {
                $crate::slot::Target::Scalar(self)
            }

            fn write(&self, json: &mut Vec<u8>) {
                use $crate::wire::{Wire, append};

                json.extend(br#"{"event":"#);
                append(json, self.event());
                json.extend(br#","data":"#);
                match self {
                    $(Self::$Variant(data) => Wire::write(data, json),)+
                    $($(Self::$Plain => append(json, $data),)+)?
                    Self::Unknown { data, .. } => match serde_json::from_str::<serde_json::Value>(data) {
                        Ok(value) => append(json, &value),
                        Err(_) => append(json, data.as_str()),
                    },
                }
                json.push(b'}');
            }
        }

        impl $crate::slot::ScalarSlot for $Name {
            fn decode(
                &mut self,
                json: $crate::json::Json<'_>,
            ) -> Result<(), $crate::mismatch::Mismatch> {
                *self = serde_json::from_str(json.text())
                    .map_err(|_| $crate::mismatch::Mismatch::kind(json, stringify!($Name)))?;
                Ok(())
            }
        }

        impl $Name {
            /// Returns the name, which is the `event` field of a server-sent event.
            pub fn event(&self) -> &str {
                match self {
                    $(Self::$Variant(_) => $event,)+
                    $($(Self::$Plain => $plain_event,)+)?
                    Self::Unknown { event, .. } => event,
                }
            }

            /// Returns the data, which is the `data` field of a server-sent event.
            ///
            /// # Errors
            ///
            /// Returns an error if the data cannot be serialized.
            pub fn data(&self) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$Variant(data) => $crate::events::text(data),)+
                    $($(Self::$Plain => Ok($data.to_owned()),)+)?
                    Self::Unknown { data, .. } => Ok(data.clone()),
                }
            }

            /// Decodes an event from its name and data. Some servers wrap the data of an error in
            /// an object with the name of the event; it is unwrapped.
            ///
            /// # Errors
            ///
            /// Returns an error if the specification lists the event and its data is not valid. The
            /// error names the JSON path, the expected type and the actual value.
            pub fn decode(event: &str, data: &str) -> Result<Self, serde_json::Error> {
                match event {
                    $($event => $crate::events::event_data($event, data).map(Self::$Variant),)+
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
                    data: $crate::json::JsonText,
                }

                let pair = Pair::deserialize(deserializer)?;
                // Plain text is a string; the data of an unknown event keeps its quotes.
                let data = match serde_json::from_str(&pair.data.0) {
                    Ok(text) if Self::is_plain(&pair.event) => text,
                    _ => pair.data.0,
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

pub(crate) use events;

/// Decodes the data of an event. Some servers wrap the data of an error in an object with the name
/// of the event.
pub(crate) fn event_data<T: crate::wire::Decode>(
    event: &str,
    data: &str,
) -> Result<T, serde_json::Error> {
    crate::decode::decode_text(data).or_else(|error| {
        let text = serde_json::from_str(data).ok();
        let entries = text.and_then(|text| Json::new(text).entries()).unwrap_or_default();
        match entries.as_slice() {
            [(name, inner)] if name == event => crate::decode::decode_text(inner.text()),
            _ => Err(error),
        }
    })
}

/// Returns the data of an event.
pub(crate) fn text(data: &impl crate::wire::Wire) -> Result<String, serde_json::Error> {
    use serde::de::Error as _;

    String::from_utf8(data.to_json()).map_err(serde_json::Error::custom)
}
