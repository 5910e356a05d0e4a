//! The events of an execution on their way to clients and to the store.

use std::sync::Arc;

use tokio::time::Instant;

use crate::events::{Event, EventLog, Frame, Frames};
use crate::store::{EventChunk, RunKey, SharedStore};

/// How many events clients can receive before the store knows of them. After a crash, the events
/// that follow have higher numbers.
pub(super) const RESERVED_EVENTS: u64 = 4096;

/// Events that are not in the store yet. Clients receive an event when everything up to it that is
/// not a delta is in the store.
pub(super) struct Journal {
    log: Arc<EventLog>,
    /// Sends deltas to other nodes, if there may be any.
    publisher: Option<(SharedStore, RunKey)>,
    /// Encoded deltas that clients can receive already.
    unsaved: Vec<u8>,
    unsaved_count: u64,
    unsaved_since: Option<Instant>,
    /// Events that clients cannot receive yet.
    pending: Vec<Event>,
    /// Events in a transaction that is in flight, and the same events encoded.
    in_flight: Vec<Event>,
    frames: Vec<Frame>,
    is_in_flight: bool,
    /// The first number that is not reserved.
    reserved: u64,
}

/// The events of a transaction.
pub(super) struct JournalBatch {
    pub(super) chunk: Option<EventChunk>,
    /// The number of the first event after the batch.
    pub(super) next: u64,
}

impl Journal {
    pub(super) fn new(log: Arc<EventLog>, store: &SharedStore, key: &RunKey) -> Self {
        let publisher = store.is_shared().then(|| (Arc::clone(store), key.clone()));
        let reserved = log.next() + RESERVED_EVENTS;
        Self {
            log,
            publisher,
            unsaved: Vec::new(),
            unsaved_count: 0,
            unsaved_since: None,
            pending: Vec::new(),
            in_flight: Vec::new(),
            frames: Vec::new(),
            is_in_flight: false,
            reserved,
        }
    }

    /// Adds an event. A delta becomes visible at once if nothing before it has to be stored first.
    pub(super) fn emit(&mut self, event: Event) {
        let number = self.log.next();
        if event.is_delta()
            && self.pending.is_empty()
            && !self.is_in_flight
            && number < self.reserved
        {
            let frame = Frame::new(number, &event);
            self.unsaved.extend_from_slice(&frame.bytes);
            self.unsaved_count += 1;
            self.unsaved_since.get_or_insert_with(Instant::now);
            if let Some((store, key)) = &self.publisher {
                let bytes = frame.bytes.clone();
                let deltas = EventChunk { first: number, last: number, is_done: false, bytes };
                store.publish_deltas(key, deltas);
            }
            self.log.push([frame], 0);
        } else {
            self.pending.push(event);
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn pending_count(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn unsaved_bytes(&self) -> usize {
        self.unsaved.len()
    }

    /// Returns since when there are deltas that the store does not have.
    pub(super) fn unsaved_since(&self) -> Option<Instant> {
        self.unsaved_since
    }

    /// Takes all events, followed by `last`, for a transaction. Call `saved` or `restore` after it.
    pub(super) fn take(&mut self, last: &[Event]) -> JournalBatch {
        let visible = self.log.next();
        let first = visible - self.unsaved_count;
        let events = self.pending.iter().chain(last);
        let frames = Frames::encode(&self.unsaved, visible, events);
        let bytes;
        (self.frames, bytes) = frames.finish(self.unsaved.len());
        self.is_in_flight = true;
        let is_done = self.frames.last().is_some_and(|frame| frame.is_done);
        let next = visible + self.frames.len() as u64;
        let chunk = (next > first).then(|| EventChunk { first, last: next - 1, is_done, bytes });
        JournalBatch { chunk, next }
    }

    /// Takes all events for a transaction that continues while more events arrive.
    pub(super) fn begin(&mut self) -> JournalBatch {
        let batch = self.take(&[]);
        self.in_flight = std::mem::take(&mut self.pending);
        batch
    }

    /// The transaction was committed: clients can receive its events. The deltas right after it
    /// become visible, too.
    pub(super) fn saved(&mut self) {
        let frames = std::mem::take(&mut self.frames);
        self.in_flight.clear();
        self.is_in_flight = false;
        self.unsaved.clear();
        self.unsaved_count = 0;
        self.unsaved_since = None;
        let next = self.log.next() + frames.len() as u64;
        self.log.push(frames, next);
        self.reserved = next + RESERVED_EVENTS;
        for event in std::mem::take(&mut self.pending) {
            self.emit(event);
        }
    }

    /// The transaction that `take` was called for was committed.
    pub(super) fn saved_all(&mut self) {
        self.pending.clear();
        self.saved();
    }

    /// The transaction that `take` was called for was not committed: its events stay pending.
    pub(super) fn restore(&mut self) {
        self.frames.clear();
        self.is_in_flight = false;
    }

    /// The transaction that `begin` was called for was not committed: its events are pending again.
    pub(super) fn put_back(&mut self) {
        let later = std::mem::replace(&mut self.pending, std::mem::take(&mut self.in_flight));
        self.pending.extend(later);
        self.restore();
    }
}
