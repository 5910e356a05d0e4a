//! Changes, as values: a store can group them, repeat them, or send them to another process.

use std::sync::Arc;

use axum::body::Bytes;

use super::object::{Collection, EventChunk, Namespace, Phase};

/// A change that is committed completely or not at all.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) namespace: Namespace,
    /// Unix seconds.
    pub(crate) now: i64,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) change: Change,
}

/// What a transaction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The version of the changed run or object.
    pub(crate) version: u64,
    /// The id of the run that was active on a deleted thread.
    pub(crate) active_run: Option<String>,
    /// The recorded response of an earlier transaction with the same idempotency key. Nothing was
    /// written if there is one.
    pub(crate) replayed: Option<Bytes>,
}

/// The idempotency key of a request. It is recorded together with the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Idempotency {
    pub(crate) key: String,
    /// A hash of the request.
    pub(crate) fingerprint: [u8; 32],
    /// What to return for a repetition of the request.
    pub(crate) response: Bytes,
}

/// A change of the domain.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    CreateAssistant(NewObject),
    CreateThread(NewThread),
    /// Does nothing if the object exists.
    CreateUpstreamObject(NewObject),
    /// Fails if the thread has an active run.
    CreateMessage {
        thread: String,
        message: NewMessage,
    },
    /// Replaces an object, if it still has this version.
    Replace {
        collection: Collection,
        object: NewObject,
        version: u64,
    },
    /// Deletes an object and everything that belongs to it. Nothing of it can be read from then on;
    /// `Store::remove_expired` removes what a deleted thread has left. Deleting a message fails if
    /// the thread has an active run.
    Delete {
        collection: Collection,
        id: String,
    },
    /// Fails if the thread has an active run.
    CreateRun(Box<NewRun>),
    WriteRun(Box<RunWrite>),
}

#[derive(Clone, Debug)]
pub(crate) struct NewObject {
    pub(crate) id: String,
    pub(crate) json: Bytes,
    pub(crate) hidden: Bytes,
}

#[derive(Clone, Debug)]
pub(crate) struct NewThread {
    pub(crate) thread: NewObject,
    pub(crate) messages: Vec<NewMessage>,
}

/// A run to create, on a thread that exists or that is created with it.
#[derive(Clone, Debug)]
pub(crate) struct NewRun {
    pub(crate) thread: String,
    pub(crate) new_thread: Option<NewThread>,
    /// Messages to append before the run.
    pub(crate) messages: Vec<NewMessage>,
    pub(crate) run: NewObject,
    pub(crate) phase: Phase,
    pub(crate) expires_at: i64,
    pub(crate) owner: Option<Arc<str>>,
    pub(crate) next_event: u64,
    pub(crate) events: EventChunk,
}

/// A step of a run's life: its claim, output of the model, tool outputs, a cancellation, its end.
///
/// It is refused if the run has changed since it was read. Each write raises the version of the run,
/// also one without an update, so the version is a fencing token: a node that lost its claim cannot
/// write, and a write cannot be applied twice.
#[derive(Clone, Debug)]
pub(crate) struct RunWrite {
    pub(crate) thread: String,
    pub(crate) run: String,
    /// The version that the run must have.
    pub(crate) version: u64,
    pub(crate) update: Option<RunUpdate>,
    pub(crate) next_event: u64,
    pub(crate) steps: Vec<StepWrite>,
    pub(crate) messages: Vec<MessageWrite>,
    pub(crate) events: Option<EventChunk>,
}

#[derive(Clone, Debug)]
pub(crate) struct RunUpdate {
    pub(crate) json: Bytes,
    pub(crate) hidden: Bytes,
    pub(crate) phase: Phase,
    pub(crate) expires_at: i64,
    pub(crate) owner: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
pub(crate) struct StepWrite {
    pub(crate) id: String,
    pub(crate) json: Bytes,
    pub(crate) is_new: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum MessageWrite {
    New(NewMessage),
    /// Replaces a message, if it still has this version.
    Replace {
        id: String,
        json: Bytes,
        /// The estimated tokens of the changed message.
        tokens: u64,
        version: u64,
    },
}

/// A message to append to a thread.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub(crate) id: String,
    pub(crate) json: Bytes,
    /// The estimated tokens of the message in a prompt.
    pub(crate) tokens: u64,
}

/// A node that claims runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claimant(pub(crate) Arc<str>);

impl Change {
    /// Returns whether the change can add to what is stored on a client's behalf. Such changes are
    /// refused beyond the quota.
    pub(super) fn is_creation(&self) -> bool {
        matches!(
            self,
            Self::CreateAssistant(_)
                | Self::CreateThread(_)
                | Self::CreateUpstreamObject(_)
                | Self::CreateMessage { .. }
                | Self::CreateRun(_)
        )
    }

    /// Returns the length of the object that a client creates, without that of a run, whose texts
    /// are counted with its execution.
    pub(super) fn created_bytes(&self) -> usize {
        let messages = |new: &[NewMessage]| -> usize { new.iter().map(|new| new.json.len()).sum() };
        match self {
            Self::CreateAssistant(new) | Self::CreateUpstreamObject(new) => new.json.len(),
            Self::CreateThread(new) => new.thread.json.len() + messages(&new.messages),
            Self::CreateMessage { message, .. } => message.json.len(),
            Self::CreateRun(new) => {
                let thread: usize = new.new_thread.iter().map(|new| messages(&new.messages)).sum();
                thread + messages(&new.messages)
            }
            Self::Replace { .. } | Self::Delete { .. } | Self::WriteRun(_) => 0,
        }
    }
}
