//! What is stored. Objects are JSON text, so that an object at rest is never a parsed tree.

use std::sync::Arc;

use axum::body::Bytes;

/// The objects that one API key has access to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Namespace(Arc<str>);

impl Namespace {
    pub(crate) fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Assistant,
    Thread,
    Message,
    Run,
    Step,
    UpstreamObject,
}

impl Kind {
    /// Returns the name that errors of the API have for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Assistant => "assistant",
            Self::Thread => "thread",
            Self::Message => "message",
            Self::Run => "run",
            Self::Step => "run step",
            Self::UpstreamObject => "object",
        }
    }
}

/// A collection of objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    Assistants,
    Threads,
    Messages {
        thread: String,
    },
    Runs {
        thread: String,
    },
    Steps {
        thread: String,
        run: String,
    },
    /// The ids of objects of the model's provider that the key has created. They are never changed.
    UpstreamObjects,
}

impl Collection {
    pub(crate) fn messages(thread: &str) -> Self {
        Self::Messages { thread: thread.to_owned() }
    }

    pub(crate) fn runs(thread: &str) -> Self {
        Self::Runs { thread: thread.to_owned() }
    }

    pub(crate) fn steps(thread: &str, run: &str) -> Self {
        Self::Steps { thread: thread.to_owned(), run: run.to_owned() }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Assistants => Kind::Assistant,
            Self::Threads => Kind::Thread,
            Self::Messages { .. } => Kind::Message,
            Self::Runs { .. } => Kind::Run,
            Self::Steps { .. } => Kind::Step,
            Self::UpstreamObjects => Kind::UpstreamObject,
        }
    }
}

/// A stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) id: String,
    /// The object as the API returns it.
    pub(crate) json: Bytes,
    /// State that the object does not have, as JSON. Empty if there is none.
    pub(crate) hidden: Bytes,
    /// Starts at 0 and increases with each change.
    pub(crate) version: u64,
}

/// Names a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunKey {
    pub(crate) namespace: Namespace,
    pub(crate) thread: String,
    pub(crate) run: String,
}

/// A stored run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunRecord {
    pub(crate) object: Object,
    pub(crate) phase: Phase,
    /// The node that executes the run.
    pub(crate) owner: Option<Arc<str>>,
    /// A number that no event has yet, nor any later one that was sent to a client.
    pub(crate) next_event: u64,
}

/// What has to happen to a run next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The model has to be called.
    Queued = 0,
    /// The model was called.
    InProgress = 1,
    /// A client has to submit tool outputs.
    RequiresAction = 2,
    /// The run has to be cancelled.
    Cancelling = 3,
    /// Nothing: the status is terminal.
    Ended = 4,
}

impl Phase {
    pub(crate) fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Queued,
            1 => Self::InProgress,
            2 => Self::RequiresAction,
            3 => Self::Cancelling,
            _ => Self::Ended,
        }
    }

    /// Returns whether a node has to execute the run.
    pub(crate) fn is_executable(self) -> bool {
        matches!(self, Self::Queued | Self::InProgress | Self::Cancelling)
    }
}

/// Consecutive events of a run, encoded as server-sent events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventChunk {
    /// The number of the first event.
    pub(crate) first: u64,
    /// The number of the last event.
    pub(crate) last: u64,
    /// Whether the last event is the `done` of an execution.
    pub(crate) is_done: bool,
    pub(crate) bytes: Bytes,
}
