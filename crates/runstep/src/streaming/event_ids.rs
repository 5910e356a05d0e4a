//! The ids of received events, to detect those that a server sends again.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// How many ids are remembered, apart from the first one. Each takes 8 bytes.
const MAX_RECENT_IDS: usize = 8 * 1024;

/// The ids of the events that a stream has received.
///
/// A server that ignores `Last-Event-ID` sends the events of a run from the start again, or from the
/// oldest one that it has. If the first id of a resumed connection is known, all events up to the
/// position are duplicates. Ids are opaque, and are compared by their hashes.
#[derive(Debug, Default)]
pub(super) struct EventIds {
    first: Option<u64>,
    recent: VecDeque<u64>,
    connection: Connection,
}

/// What the current connection sends.
#[derive(Debug, Default)]
enum Connection {
    /// New events.
    #[default]
    New,
    /// Nothing with an id yet, after it was resumed at this position.
    Resumed(String),
    /// Duplicates up to this position.
    Replayed(String),
    /// Further duplicates have the id of the position.
    AtPosition(String),
}

impl EventIds {
    /// Starts a segment, whose ids may be those of an earlier segment.
    pub(super) fn start_segment(&mut self) {
        self.recent.clear();
        self.connection = Connection::New;
    }

    /// Starts a connection that the server should resume after this event.
    pub(super) fn resume_after(&mut self, position: &str) {
        self.connection = Connection::Resumed(position.to_owned());
    }

    /// Returns the position of the stream on a connection with this last id. It is empty while the
    /// connection has only sent duplicates.
    pub(super) fn position<'a>(&self, last_event_id: &'a str) -> &'a str {
        match self.connection {
            Connection::Replayed(_) => "",
            _ => last_event_id,
        }
    }

    /// Records the id of an event, if it has one itself, and the last id of the connection. Returns
    /// `true` for a duplicate.
    pub(super) fn is_duplicate(&mut self, own_id: Option<&str>, last_id: &str) -> bool {
        match (std::mem::take(&mut self.connection), own_id) {
            (Connection::New, Some(id)) => {
                self.record(id);
                false
            }
            (Connection::New, None) => false,
            (Connection::Resumed(position), Some(id)) if id == position => {
                self.connection = Connection::AtPosition(position);
                true
            }
            (Connection::Resumed(position), Some(id)) if self.contains(id) => {
                self.connection = Connection::Replayed(position);
                true
            }
            (Connection::Replayed(position), own_id) if last_id == position => {
                self.connection = Connection::AtPosition(position);
                own_id.is_some()
            }
            (Connection::AtPosition(position), Some(id)) if id == position => {
                self.connection = Connection::AtPosition(position);
                true
            }
            (connection @ Connection::Replayed(_), _) => {
                self.connection = connection;
                true
            }
            (connection, None) => {
                self.connection = connection;
                false
            }
            (Connection::Resumed(_) | Connection::AtPosition(_), Some(id)) => {
                self.record(id);
                false
            }
        }
    }

    fn record(&mut self, id: &str) {
        let hash = hash(id);
        self.first.get_or_insert(hash);
        if self.recent.len() == MAX_RECENT_IDS {
            self.recent.pop_front();
        }
        self.recent.push_back(hash);
    }

    fn contains(&self, id: &str) -> bool {
        let hash = hash(id);
        self.first == Some(hash) || self.recent.contains(&hash)
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
