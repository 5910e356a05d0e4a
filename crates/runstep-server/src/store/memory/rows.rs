//! The rows of the store, and the events of ended runs.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::body::Bytes;

use super::all_runs::RunIndex;
use super::ordered::{Ordered, Row};
use crate::store::object::{EventChunk, Object, Phase, RunKey, RunRecord};
use crate::store::quota::{KeyQuota, QuotaCharge, object_size};
use crate::store::transaction::NewMessage;

/// An estimate of the memory of a deleted object's remembered position.
pub(super) const TOMBSTONE_BYTES: usize = 128;
/// An estimate of the memory of a run in the list of all runs.
pub(super) const INDEXED_RUN_BYTES: usize = 384;
/// An estimate of the memory of a chunk besides its events.
const CHUNK_BYTES: usize = 64;
/// How many messages and runs are freed within an operation.
const MAX_DIRECTLY_FREED: usize = 1000;
/// The total size of the events of all ended runs.
const MAX_ENDED_BYTES: usize = 16 * 1024 * 1024;

/// The objects of one key.
pub(super) struct Tenant {
    pub(super) assistants: Ordered<Object>,
    pub(super) upstream_objects: Ordered<Object>,
    pub(super) threads: Ordered<ThreadRow>,
    /// The runs of all threads.
    pub(super) runs: RunIndex,
    pub(super) requests: HashMap<String, RequestRow>,
    pub(super) quota: Arc<KeyQuota>,
    /// The memory of assistants, ids of the provider's objects and requests.
    pub(super) charge: QuotaCharge,
}

pub(super) struct ThreadRow {
    pub(super) object: Object,
    /// Changes when a message is deleted.
    pub(super) revision: u64,
    pub(super) messages: Ordered<MessageRow>,
    pub(super) runs: Ordered<RunRow>,
    /// The run that has not ended.
    pub(super) active_run: Option<Arc<RunKey>>,
    /// The memory of everything on the thread, except for the events of ended runs.
    pub(super) charge: QuotaCharge,
}

/// What is on a deleted thread.
pub(super) struct ThreadRemains {
    messages: Ordered<MessageRow>,
    runs: Ordered<RunRow>,
}

pub(super) struct MessageRow {
    pub(super) object: Object,
    pub(super) run: Option<String>,
    pub(super) tokens: u64,
}

pub(super) struct RunRow {
    pub(super) object: Object,
    pub(super) phase: Phase,
    pub(super) expires_at: i64,
    pub(super) owner: Option<Arc<str>>,
    pub(super) next_event: u64,
    pub(super) steps: Ordered<Object>,
    pub(super) events: Vec<EventChunk>,
    /// The position in the order of creation of all runs.
    pub(super) number: u64,
    pub(super) key: Arc<RunKey>,
}

impl Row for Object {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Row for ThreadRow {
    fn id(&self) -> &str {
        &self.object.id
    }
}

impl Row for MessageRow {
    fn id(&self) -> &str {
        &self.object.id
    }
}

impl Row for RunRow {
    fn id(&self) -> &str {
        &self.object.id
    }
}

/// A request with an idempotency key.
pub(super) struct RequestRow {
    pub(super) fingerprint: [u8; 32],
    pub(super) response: Bytes,
    pub(super) created_at: i64,
}

impl Tenant {
    pub(super) fn new(quota: Arc<KeyQuota>) -> Self {
        Self {
            assistants: Ordered::default(),
            upstream_objects: Ordered::default(),
            threads: Ordered::default(),
            runs: RunIndex::default(),
            requests: HashMap::new(),
            charge: quota.charge(),
            quota,
        }
    }
}

impl ThreadRow {
    pub(super) fn insert_message(&mut self, new: NewMessage, run: Option<String>) {
        let row = MessageRow::new(new, run);
        self.charge.add(size(&row.object));
        self.messages.insert(row);
    }

    pub(super) fn remove_message(&mut self, id: &str) {
        let tombstones = self.messages.tombstones();
        if let Some(message) = self.messages.remove(id) {
            self.charge.remove(size(&message.object));
            self.charge.add((self.messages.tombstones() - tombstones) * TOMBSTONE_BYTES);
        }
    }
}

impl ThreadRow {
    /// Releases the memory that the thread was charged for.
    pub(super) fn into_remains(self) -> ThreadRemains {
        ThreadRemains { messages: self.messages, runs: self.runs }
    }
}

impl ThreadRemains {
    /// Frees the memory, that of a long thread in another thread of the process.
    pub(super) fn free(self) {
        if self.messages.len() + self.runs.len() > MAX_DIRECTLY_FREED {
            tokio::task::spawn_blocking(move || drop(self));
        }
    }
}

impl MessageRow {
    pub(super) fn new(new: NewMessage, run: Option<String>) -> Self {
        let NewMessage { id, json, tokens } = new;
        let object = Object { id, json, hidden: Bytes::new(), version: 0 };
        Self { object, run, tokens }
    }
}

impl RunRow {
    pub(super) fn record(&self) -> RunRecord {
        RunRecord {
            object: self.object.clone(),
            phase: self.phase,
            owner: self.owner.clone(),
            next_event: self.next_event,
        }
    }

    /// Returns the memory of the events.
    pub(super) fn event_bytes(&self) -> usize {
        self.events.iter().map(chunk_size).sum()
    }
}

pub(super) fn size(object: &Object) -> usize {
    object_size(object.json.len() + object.hidden.len())
}

pub(super) fn chunk_size(chunk: &EventChunk) -> usize {
    CHUNK_BYTES + chunk.bytes.len()
}

/// The runs that have ended, in the order of their end. Those that were deleted since may still be
/// among them.
#[derive(Default)]
pub(super) struct EndedRuns {
    runs: VecDeque<EndedRun>,
    /// How many of the first runs have no events any more.
    without_events: usize,
    /// The size of all events.
    bytes: usize,
}

struct EndedRun {
    key: Arc<RunKey>,
    ended_at: i64,
    bytes: usize,
}

impl EndedRuns {
    pub(super) fn push(&mut self, key: Arc<RunKey>, ended_at: i64, bytes: usize) {
        self.bytes += bytes;
        self.runs.push_back(EndedRun { key, ended_at, bytes });
    }

    /// Returns the next run whose events are no longer retained: those of runs that ended up to
    /// this time, and the oldest beyond the size limit.
    pub(super) fn pop_events(&mut self, ended_at: i64) -> Option<Arc<RunKey>> {
        let oldest = self.runs.get(self.without_events)?;
        if oldest.ended_at > ended_at && self.bytes <= MAX_ENDED_BYTES {
            return None;
        }
        self.bytes -= oldest.bytes;
        self.without_events += 1;
        Some(Arc::clone(&oldest.key))
    }

    /// Forgets the runs that have no events any more, if runs are kept for ever.
    pub(super) fn forget_runs_without_events(&mut self) {
        self.runs.drain(..std::mem::take(&mut self.without_events));
    }

    /// Returns the next run that is no longer retained. Its events are removed before.
    pub(super) fn pop_run(&mut self, ended_at: i64) -> Option<Arc<RunKey>> {
        let oldest = self.runs.front()?;
        if oldest.ended_at > ended_at {
            return None;
        }
        match self.without_events.checked_sub(1) {
            Some(count) => self.without_events = count,
            None => self.bytes -= oldest.bytes,
        }
        self.runs.pop_front().map(|run| run.key)
    }
}
