//! What can change between two documents, and whom it breaks.

use std::fmt;

/// Which way a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From a client to a server.
    Request,
    /// From a server to a client.
    Reply,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The operation is new.
    OperationAdded,
    /// The operation is gone.
    OperationRemoved,
    /// There are events of a stream.
    EventsAdded,
    /// The events of a stream are gone.
    EventsRemoved,
    /// The parameter is new.
    ParameterAdded {
        /// Whether every request needs it.
        required: bool,
    },
    /// The parameter is gone.
    ParameterRemoved,
    /// There is a body, or a kind of it, where there was none.
    ContentAdded(String),
    /// The body, or a kind of it, is gone.
    ContentRemoved(String),
    /// The property is new.
    PropertyAdded {
        /// Whether it must be there.
        required: bool,
    },
    /// The property is gone.
    PropertyRemoved,
    /// The type is another one.
    Type {
        /// The old one.
        from: String,
        /// The new one.
        to: String,
    },
    /// Values are new.
    ValuesAdded(Vec<String>),
    /// Values are gone.
    ValuesRemoved {
        /// Which.
        values: Vec<String>,
        /// Whether any other text is allowed as well.
        open: bool,
    },
    /// The values are listed, where they were not.
    ValuesListed {
        /// Which.
        values: Vec<String>,
        /// Whether any other text is allowed as well.
        open: bool,
    },
    /// Only the listed values are allowed, where any text was.
    ValuesClosed,
    /// Any text is allowed beside the listed values.
    ValuesOpened,
    /// Any text is allowed, where the values were listed.
    ValuesNoLongerListed,
    /// It must be there now.
    Required,
    /// It may be left out now.
    Optional,
    /// It may be null now.
    Nullable {
        /// Whether it must be there.
        required: bool,
    },
    /// It may no longer be null.
    NotNullable {
        /// Whether it must be there.
        required: bool,
    },
    /// A limit lets less through.
    Tighter(String),
    /// A limit lets more through.
    Looser(String),
    /// An integer that counted may be negative now, or the other way round.
    Signed(bool),
    /// There are alternatives where there was one thing.
    BecameChoice,
    /// There is one thing where there were alternatives.
    NoLongerChoice,
    /// An alternative is new.
    VariantAdded(String),
    /// An alternative is gone.
    VariantRemoved(String),
}

/// Whether something still works after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It does.
    Compatible,
    /// It may not.
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

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The operation, as `POST /threads/{thread_id}/runs`, or what else it belongs to.
    pub operation: String,
    /// The place within it, as `request .tools[].type`; empty for the operation itself.
    pub place: String,
    /// Which way the value goes.
    pub direction: Direction,
    /// What changed there.
    pub what: What,
    /// The other operations that have the same change, as they share the schema in which it is.
    pub also: Vec<String>,
}

impl Change {
    /// Whether code that is written against the generated crate still compiles.
    pub fn for_callers(&self) -> Effect {
        use Direction::{Reply, Request};
        use What as W;
        match (&self.what, self.direction) {
            (
                W::OperationAdded
                | W::EventsAdded
                | W::ContentAdded(_)
                | W::ValuesAdded(_)
                | W::VariantAdded(_),
                _,
            ) => Effect::Compatible,
            (W::Tighter(_) | W::Looser(_), _) => Effect::Compatible,
            (W::PropertyAdded { required: false }, Request) | (W::PropertyAdded { .. }, Reply) => {
                Effect::Compatible
            }
            (W::Nullable { required: false } | W::NotNullable { required: false }, Reply) => {
                Effect::Compatible
            }
            // A new parameter is one more argument; a type, or whether it is an option, is seen.
            _ => Effect::Breaking,
        }
    }

    /// Whether a program that is out there still gets along with a server of the new document.
    pub fn for_the_wire(&self) -> Effect {
        use Direction::{Reply, Request};
        use What as W;
        match (&self.what, self.direction) {
            (W::OperationAdded | W::EventsAdded | W::ContentAdded(_) | W::Looser(_), _) => {
                Effect::Compatible
            }
            // What is out there decodes into the type that it was made with.
            (W::Signed(true), Request) | (W::Signed(false), Reply) => Effect::Compatible,
            // Unknown values and variants are kept, unknown properties are ignored.
            (
                W::ValuesAdded(_) | W::VariantAdded(_) | W::ValuesNoLongerListed | W::ValuesOpened,
                _,
            ) => Effect::Compatible,
            (W::ValuesRemoved { open: true, .. } | W::ValuesListed { open: true, .. }, _) => {
                Effect::Compatible
            }
            (W::ParameterAdded { required: false } | W::PropertyAdded { required: false }, _) => {
                Effect::Compatible
            }
            (
                W::PropertyAdded { .. } | W::Required | W::NotNullable { .. } | W::Tighter(_),
                Reply,
            ) => Effect::Compatible,
            (
                W::ValuesRemoved { .. }
                | W::ValuesListed { .. }
                | W::ValuesClosed
                | W::VariantRemoved(_),
                Reply,
            ) => Effect::Compatible,
            (W::Optional | W::Nullable { .. }, Request)
            | (W::Nullable { required: false }, Reply) => Effect::Compatible,
            (W::BecameChoice, Request) | (W::NoLongerChoice, _) => Effect::Compatible,
            (W::Type { from, to }, Request) if from == "integer" && to == "number" => {
                Effect::Compatible
            }
            (W::Type { from, to }, Reply) if from == "number" && to == "integer" => {
                Effect::Compatible
            }
            _ => Effect::Breaking,
        }
    }

    /// The other operations that have the same change, in a few words; empty if there are none.
    pub fn also_in(&self) -> String {
        const SHOWN: usize = 2;
        let names: Vec<&str> = self.also.iter().take(SHOWN).map(String::as_str).collect();
        match (names.as_slice(), self.also.len() - names.len()) {
            ([], _) => String::new(),
            (names, 0) => format!("also in {}", names.join(", ")),
            (names, more) => format!("also in {} and {more} more", names.join(", ")),
        }
    }

    /// The worse of the two.
    pub fn effect(&self) -> Effect {
        self.for_callers().max(self.for_the_wire())
    }
}

/// Names in a row, cut where nobody reads on.
fn row(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

impl fmt::Display for What {
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
            Self::ValuesAdded(values) => write!(f, "values added: {}", row(values)),
            Self::ValuesRemoved { values, .. } => write!(f, "values removed: {}", row(values)),
            Self::ValuesListed { values, open: false } => {
                write!(f, "any text before, now one of: {}", row(values))
            }
            Self::ValuesListed { values, open: true } => {
                write!(f, "values listed, other text still allowed: {}", row(values))
            }
            Self::ValuesClosed => f.write_str("only the listed values are allowed now"),
            Self::ValuesOpened => f.write_str("other text is allowed beside the listed values now"),
            Self::ValuesNoLongerListed => f.write_str("values no longer listed: any text"),
            Self::Required => f.write_str("required now"),
            Self::Optional => f.write_str("optional now"),
            Self::Nullable { .. } => f.write_str("may be null now"),
            Self::NotNullable { .. } => f.write_str("may no longer be null"),
            Self::Tighter(limit) | Self::Looser(limit) => f.write_str(limit),
            Self::Signed(true) => f.write_str("may be negative now (`i64`, was `u64`)"),
            Self::Signed(false) => f.write_str("may no longer be negative (`u64`, was `i64`)"),
            Self::BecameChoice => f.write_str("a choice now"),
            Self::NoLongerChoice => f.write_str("no longer a choice"),
            Self::VariantAdded(name) => write!(f, "alternative added: `{name}`"),
            Self::VariantRemoved(name) => write!(f, "alternative removed: `{name}`"),
        }
    }
}
