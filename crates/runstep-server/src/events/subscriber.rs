//! Subscribers to a run's events.

use std::pin::pin;
use std::sync::Arc;

use axum::body::Bytes;

use super::log::{EventLog, Reader, State};

/// The most bytes that one call of `receive` returns, unless a single event is longer.
const MAX_BATCH_BYTES: usize = 32 * 1024;

/// Receives the events of one execution of a run, from some event on up to `done`.
#[derive(Debug)]
pub(crate) struct Subscriber {
    log: Arc<EventLog>,
    id: u64,
    next: u64,
}

/// What a subscriber receives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Events(Bytes),
    /// The last events of the execution.
    End(Bytes),
    /// The next event is no longer retained.
    Lagged,
}

impl EventLog {
    /// Subscribes to the events from now on.
    pub(crate) fn subscribe(self: &Arc<Self>) -> Subscriber {
        let mut state = self.lock();
        let next = state.next();
        Subscriber::new(self, &mut state, next)
    }

    /// Subscribes to the events after the one with this number, up to the next `done`. Returns
    /// `None` if they are no longer retained, or if no event follows.
    pub(crate) fn subscribe_after(self: &Arc<Self>, number: u64) -> Option<Subscriber> {
        let mut state = self.lock();
        let next = number.checked_add(1)?;
        let is_over = state.is_done() && next == state.next();
        (next >= state.first && next <= state.next() && !is_over)
            .then(|| Subscriber::new(self, &mut state, next))
    }
}

impl Subscriber {
    fn new(log: &Arc<EventLog>, state: &mut State, next: u64) -> Self {
        let id = state.next_reader_id;
        state.next_reader_id += 1;
        state.readers.push(Reader { id, next });
        Self { log: Arc::clone(log), id, next }
    }

    /// Waits for events.
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
    pub(crate) async fn receive(&mut self) -> Received {
        let log = Arc::clone(&self.log);
        loop {
            let mut changed = pin!(log.changed.notified());
            changed.as_mut().enable();
            if let Some(received) = self.take() {
                // The run may be waiting for this subscriber.
                log.changed.notify_waiters();
                return received;
            }
            changed.await;
        }
    }

    /// Takes the events that are available.
    fn take(&mut self) -> Option<Received> {
        let mut state = self.log.lock();
        let Some(skipped) = self.next.checked_sub(state.first) else {
            return Some(Received::Lagged);
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let (mut count, mut length, mut done) = (0, 0, false);
        for frame in state.frames.iter().skip(skipped) {
            if done || (count > 0 && length + frame.bytes.len() > MAX_BATCH_BYTES) {
                break;
            }
            count += 1;
            length += frame.bytes.len();
            done = frame.done;
        }
        let mut frames = state.frames.iter().skip(skipped).take(count);
        let bytes = if count == 1 {
            frames.next()?.bytes.clone()
        } else {
            let mut bytes = Vec::with_capacity(length);
            frames.for_each(|frame| bytes.extend_from_slice(&frame.bytes));
            bytes.into()
        };
        self.next += count as u64;
        let id = self.id;
        if let Some(reader) = state.readers.iter_mut().find(|reader| reader.id == id) {
            reader.next = self.next;
        }
        match (count, done) {
            (0, _) => None,
            (_, false) => Some(Received::Events(bytes)),
            (_, true) => Some(Received::End(bytes)),
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let mut state = self.log.lock();
        state.readers.retain(|reader| reader.id != self.id);
        state.evict();
        drop(state);
        self.log.changed.notify_waiters();
    }
}
