//! Changes between two documents, and what they break.

use std::fmt;

/// The direction in which a value is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// From a client to a server.
    Request,
    /// From a server to a client.
    Response,
}

/// The direction in which values must be sent for a change of them to break released programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaks {
    Never,
    InRequests,
    InResponses,
    Always,
}

/// A change, wherever it is.
#[derive(Clone, Debug)]
pub(super) struct ChangeKind {
    /// What it breaks in released programs that call a server of the new document. They decode the
    /// types that they were generated with, keep unknown values and variants, and ignore unknown
    /// properties.
    pub(super) wire: Breaks,
    /// Whether the generated code can depend on it. Limits, defaults and security are not part of
    /// the code.
    pub(super) in_code: bool,
    pub(super) text: String,
}

impl ChangeKind {
    /// Creates a change that the generated code can depend on.
    pub(super) fn of_type(wire: Breaks, text: impl Into<String>) -> Self {
        Self { wire, in_code: true, text: text.into() }
    }

    /// Creates a change of what is valid, which the generated code does not depend on.
    pub(super) fn of_values(wire: Breaks, text: impl Into<String>) -> Self {
        Self { wire, in_code: false, text: text.into() }
    }
}

/// The effect of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing breaks.
    Compatible,
    /// The effect is not known, because no code can be generated from one of the documents.
    Unknown,
    /// Something may break.
    Breaking,
}

impl Effect {
    pub(super) fn new(breaks: Breaks, direction: Direction) -> Self {
        match (breaks, direction) {
            (Breaks::Always, _)
            | (Breaks::InRequests, Direction::Request)
            | (Breaks::InResponses, Direction::Response) => Self::Breaking,
            _ => Self::Compatible,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compatible => "compatible",
            Self::Unknown => "unknown",
            Self::Breaking => "breaking",
        })
    }
}

/// A change of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The operation, such as `POST /threads/{thread_id}/runs`, or another heading.
    pub operation: String,
    /// The location in it, such as `request .tools[].type`; empty for the operation itself.
    pub location: String,
    /// The description.
    pub text: String,
    /// The effect on code that uses the generated crate. It is breaking if and only if the crate of
    /// the new document lacks a public item, or has it with another type.
    pub callers: Effect,
    /// The effect on released programs that call a server of the new document.
    pub wire: Effect,
    /// Other operations with the same change, since they share the schema.
    pub also: Vec<String>,
}

impl Change {
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
        self.callers.max(self.wire)
    }
}
