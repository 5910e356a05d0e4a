//! Changes between two documents, and what they break.

use std::fmt;

/// The direction in which a value is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From a client to a server.
    Request,
    /// From a server to a client.
    Response,
}

/// The kind of a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// An operation was added.
    OperationAdded,
    /// An operation was removed.
    OperationRemoved,
    /// Events of a stream were added.
    EventsAdded,
    /// Events of a stream were removed.
    EventsRemoved,
    /// A parameter was added.
    ParameterAdded {
        /// Whether requests must have it.
        required: bool,
    },
    /// A parameter was removed.
    ParameterRemoved,
    /// A body, or a media type of it, was added.
    ContentAdded(String),
    /// A body, or a media type of it, was removed.
    ContentRemoved(String),
    /// A property was added.
    PropertyAdded {
        /// Whether it is required.
        required: bool,
    },
    /// A property was removed.
    PropertyRemoved,
    /// The type changed.
    Type {
        /// The old type.
        from: String,
        /// The new type.
        to: String,
    },
    /// Enum values were added.
    ValuesAdded(Vec<String>),
    /// Enum values were removed.
    ValuesRemoved {
        /// The values.
        values: Vec<String>,
        /// Whether other values are valid, too.
        open: bool,
    },
    /// A string became an enum.
    ValuesListed {
        /// The values.
        values: Vec<String>,
        /// Whether other values are valid, too.
        open: bool,
    },
    /// An open enum no longer allows other values.
    ValuesClosed,
    /// An enum allows other values.
    ValuesOpened,
    /// An enum became a string.
    ValuesNoLongerListed,
    /// It became required.
    Required,
    /// It became optional.
    Optional,
    /// It became nullable.
    Nullable {
        /// Whether it is required.
        required: bool,
    },
    /// It is no longer nullable.
    NotNullable {
        /// Whether it is required.
        required: bool,
    },
    /// A limit allows fewer values.
    Tighter(String),
    /// A limit allows more values.
    Looser(String),
    /// An integer became signed (`true`) or unsigned (`false`).
    Signed(bool),
    /// A schema became a union.
    BecameUnion,
    /// A union became another schema.
    NoLongerUnion,
    /// An alternative was added.
    VariantAdded(String),
    /// An alternative was removed.
    VariantRemoved(String),
}

/// The effect of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing breaks.
    Compatible,
    /// Something may break.
    Breaking,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compatible => "compatible",
            Self::Breaking => "breaking",
        })
    }
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The operation, such as `POST /threads/{thread_id}/runs`, or another heading.
    pub operation: String,
    /// The location in it, such as `request .tools[].type`; empty for the operation itself.
    pub location: String,
    /// The direction in which the value is sent.
    pub direction: Direction,
    /// The kind.
    pub kind: ChangeKind,
    /// Other operations with the same change, since they share the schema.
    pub also: Vec<String>,
}

impl Change {
    /// Returns the effect on code that uses the generated crate.
    pub fn effect_on_callers(&self) -> Effect {
        use ChangeKind as K;
        use Direction::{Request, Response};
        match (&self.kind, self.direction) {
            (
                K::OperationAdded
                | K::EventsAdded
                | K::ContentAdded(_)
                | K::ValuesAdded(_)
                | K::VariantAdded(_),
                _,
            ) => Effect::Compatible,
            (K::Tighter(_) | K::Looser(_), _) => Effect::Compatible,
            (K::PropertyAdded { required: false }, Request)
            | (K::PropertyAdded { .. }, Response) => Effect::Compatible,
            (K::Nullable { required: false } | K::NotNullable { required: false }, Response) => {
                Effect::Compatible
            }
            // A new parameter is a new argument. Changes of types and optional fields are visible,
            // too.
            _ => Effect::Breaking,
        }
    }

    /// Returns the effect on released programs that call a server of the new document.
    pub fn effect_on_wire(&self) -> Effect {
        use ChangeKind as K;
        use Direction::{Request, Response};
        match (&self.kind, self.direction) {
            (K::OperationAdded | K::EventsAdded | K::ContentAdded(_) | K::Looser(_), _) => {
                Effect::Compatible
            }
            // Released programs decode the type that they were generated with.
            (K::Signed(true), Request) | (K::Signed(false), Response) => Effect::Compatible,
            // Unknown values and variants are kept; unknown properties are ignored.
            (
                K::ValuesAdded(_) | K::VariantAdded(_) | K::ValuesNoLongerListed | K::ValuesOpened,
                _,
            ) => Effect::Compatible,
            (K::ValuesRemoved { open: true, .. } | K::ValuesListed { open: true, .. }, _) => {
                Effect::Compatible
            }
            (K::ParameterAdded { required: false } | K::PropertyAdded { required: false }, _) => {
                Effect::Compatible
            }
            (
                K::PropertyAdded { .. } | K::Required | K::NotNullable { .. } | K::Tighter(_),
                Response,
            ) => Effect::Compatible,
            (
                K::ValuesRemoved { .. }
                | K::ValuesListed { .. }
                | K::ValuesClosed
                | K::VariantRemoved(_),
                Response,
            ) => Effect::Compatible,
            (K::Optional | K::Nullable { .. }, Request)
            | (K::Nullable { required: false }, Response) => Effect::Compatible,
            (K::BecameUnion, Request) | (K::NoLongerUnion, _) => Effect::Compatible,
            (K::Type { from, to }, Request) if from == "integer" && to == "number" => {
                Effect::Compatible
            }
            (K::Type { from, to }, Response) if from == "number" && to == "integer" => {
                Effect::Compatible
            }
            _ => Effect::Breaking,
        }
    }

    /// Formats the other operations with the same change. The text is empty if there are none.
    pub fn also_in(&self) -> String {
        const SHOWN: usize = 2;
        let names: Vec<&str> = self.also.iter().take(SHOWN).map(String::as_str).collect();
        match (names.as_slice(), self.also.len() - names.len()) {
            ([], _) => String::new(),
            (names, 0) => format!("also in {}", names.join(", ")),
            (names, more) => format!("also in {} and {more} more", names.join(", ")),
        }
    }

    /// Returns the worse of both effects.
    pub fn effect(&self) -> Effect {
        self.effect_on_callers().max(self.effect_on_wire())
    }
}

/// Formats a list of names. Long lists are truncated.
fn join_names(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OperationAdded => f.write_str("operation added"),
            Self::OperationRemoved => f.write_str("operation removed"),
            Self::EventsAdded => f.write_str("events added"),
            Self::EventsRemoved => f.write_str("events removed"),
            Self::ParameterAdded { required: true } => f.write_str("required parameter added"),
            Self::ParameterAdded { required: false } => f.write_str("parameter added"),
            Self::ParameterRemoved => f.write_str("parameter removed"),
            Self::ContentAdded(kind) => write!(f, "`{kind}` added"),
            Self::ContentRemoved(kind) => write!(f, "`{kind}` removed"),
            Self::PropertyAdded { required: true } => f.write_str("required property added"),
            Self::PropertyAdded { required: false } => f.write_str("property added"),
            Self::PropertyRemoved => f.write_str("property removed"),
            Self::Type { from, to } => write!(f, "type changed from {from} to {to}"),
            Self::ValuesAdded(values) => write!(f, "values added: {}", join_names(values)),
            Self::ValuesRemoved { values, .. } => {
                write!(f, "values removed: {}", join_names(values))
            }
            Self::ValuesListed { values, open: false } => {
                write!(f, "string became an enum: {}", join_names(values))
            }
            Self::ValuesListed { values, open: true } => {
                write!(f, "values listed, other values still allowed: {}", join_names(values))
            }
            Self::ValuesClosed => f.write_str("no longer allows other values"),
            Self::ValuesOpened => f.write_str("allows other values now"),
            Self::ValuesNoLongerListed => f.write_str("enum became a string"),
            Self::Required => f.write_str("required now"),
            Self::Optional => f.write_str("optional now"),
            Self::Nullable { .. } => f.write_str("may be null now"),
            Self::NotNullable { .. } => f.write_str("may no longer be null"),
            Self::Tighter(limit) | Self::Looser(limit) => f.write_str(limit),
            Self::Signed(true) => f.write_str("may be negative now (`i64`, was `u64`)"),
            Self::Signed(false) => f.write_str("may no longer be negative (`u64`, was `i64`)"),
            Self::BecameUnion => f.write_str("became a union"),
            Self::NoLongerUnion => f.write_str("no longer a union"),
            Self::VariantAdded(name) => write!(f, "alternative added: `{name}`"),
            Self::VariantRemoved(name) => write!(f, "alternative removed: `{name}`"),
        }
    }
}
