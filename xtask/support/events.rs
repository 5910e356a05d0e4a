//! Events of a stream. One that nobody knew when this crate was generated is kept as it came.

use serde_json::{Map, Value};

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

pub(crate) use events;

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
