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

/// The direction in which values must be sent for a change of them to break something.
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
    /// What it breaks in code that uses the generated crate. A new parameter is a new argument;
    /// changes of types and of optional fields are visible, too.
    pub(super) callers: Breaks,
    /// What it breaks in released programs that call a server of the new document. They decode the
    /// types that they were generated with, keep unknown values and variants, and ignore unknown
    /// properties.
    pub(super) wire: Breaks,
    pub(super) text: String,
}

impl ChangeKind {
    pub(super) fn new(callers: Breaks, wire: Breaks, text: impl Into<String>) -> Self {
        Self { callers, wire, text: text.into() }
    }

    /// Creates a change that nothing depends on.
    pub(super) fn compatible(text: impl Into<String>) -> Self {
        Self::new(Breaks::Never, Breaks::Never, text)
    }

    /// Creates a change that breaks callers and released programs.
    pub(super) fn breaking(text: impl Into<String>) -> Self {
        Self::new(Breaks::Always, Breaks::Always, text)
    }
}

/// The effect of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing breaks.
    Compatible,
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
    /// The effect on code that uses the generated crate.
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
