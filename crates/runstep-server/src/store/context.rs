//! The messages of a thread that a prompt contains.

use axum::body::Bytes;

/// Which messages of a thread to read, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextQuery {
    /// Limit of the estimated tokens of all messages. The newest message is read even if it exceeds
    /// the limit.
    pub(crate) max_tokens: u64,
    pub(crate) max_messages: usize,
    /// Where an earlier read ended, to read only what was appended since.
    pub(crate) after: Option<ContextMark>,
}

/// A position in the messages of a thread. Its numbers have a meaning for one store only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextMark {
    /// Messages after it were appended later.
    pub(crate) position: u64,
    /// Changes when a message of the thread is deleted, and is never used again.
    pub(crate) revision: u64,
}

/// The newest messages of a thread, without those of the run that is going to read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// The newest first.
    pub(crate) messages: Vec<ContextMessage>,
    /// Whether the messages follow those of the earlier read, none of which was deleted since.
    /// Otherwise they are the newest of the thread, whatever was read before.
    pub(crate) is_continuation: bool,
    /// Where the next read can continue.
    pub(crate) mark: ContextMark,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContextMessage {
    pub(crate) json: Bytes,
    pub(crate) tokens: u64,
}

/// Takes messages until the limits are reached.
pub(super) struct ContextReader {
    query: ContextQuery,
    messages: Vec<ContextMessage>,
    tokens: u64,
    /// The position of the newest message.
    newest: Option<u64>,
    is_full: bool,
}

impl ContextReader {
    pub(super) fn new(query: ContextQuery) -> Self {
        Self { query, messages: Vec::new(), tokens: 0, newest: None, is_full: false }
    }

    /// Takes the next older message. Returns `false` if it exceeds a limit.
    pub(super) fn take<E>(
        &mut self,
        position: u64,
        tokens: u64,
        json: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<bool, E> {
        let total = self.tokens.saturating_add(tokens);
        let is_too_long = total > self.query.max_tokens && !self.messages.is_empty();
        if is_too_long || self.messages.len() >= self.query.max_messages {
            self.is_full = true;
            return Ok(false);
        }
        self.tokens = total;
        self.newest.get_or_insert(position);
        self.messages.push(ContextMessage { json: json()?, tokens });
        Ok(true)
    }

    /// Returns what was read of a thread with this revision, from `after` on.
    pub(super) fn finish(self, after: Option<ContextMark>, revision: u64) -> Context {
        let start = after.map_or(0, |mark| mark.position);
        Context {
            is_continuation: after.is_some() && !self.is_full,
            mark: ContextMark { position: self.newest.unwrap_or(start), revision },
            messages: self.messages,
        }
    }
}

impl ContextQuery {
    /// Returns the mark to continue from, unless it is stale.
    pub(super) fn valid_mark(&self, revision: u64) -> Option<ContextMark> {
        self.after.filter(|mark| mark.revision == revision)
    }
}
