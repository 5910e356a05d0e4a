//! Somebody who listens to a run.

use std::pin::pin;
use std::sync::Arc;

use axum::body::Bytes;

use super::{EventLog, State};

/// How many bytes are heard at once, if there are so many already.
const AT_ONCE: usize = 32 * 1024;

/// Hears the events of one leg of a run, from some event on, to its `done`.
#[derive(Debug)]
pub(crate) struct Listener {
    log: Arc<EventLog>,
    id: u64,
    next: u64,
}

/// What a listener hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// More events.
    Events(Bytes),
    /// The last events of the leg.
    End(Bytes),
    /// What would come next is not kept any more.
    FellBehind,
}

impl Listener {
    pub(super) fn new(log: &Arc<EventLog>, state: &mut State, next: u64) -> Self {
        let id = state.listeners_made;
        state.listeners_made += 1;
        state.listeners.push((id, next));
        Self { log: Arc::clone(log), id, next }
    }

    /// Waits for events. It may be dropped while it does, and nothing is lost.
    pub(crate) async fn hear(&mut self) -> Heard {
        let log = Arc::clone(&self.log);
        loop {
            let mut changed = pin!(log.changed.notified());
            changed.as_mut().enable();
            if let Some(heard) = self.take() {
                // Its run may wait for this.
                log.changed.notify_waiters();
                return heard;
            }
            changed.await;
        }
    }

    /// What there is already.
    fn take(&mut self) -> Option<Heard> {
        let mut state = self.log.lock();
        let Some(skipped) = self.next.checked_sub(state.first) else {
            return Some(Heard::FellBehind);
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let (mut count, mut length, mut done) = (0, 0, false);
        for frame in state.frames.iter().skip(skipped) {
            if done || (count > 0 && length + frame.bytes.len() > AT_ONCE) {
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
        let (id, next) = (self.id, self.next);
        if let Some((_, place)) = state.listeners.iter_mut().find(|(one, _)| *one == id) {
            *place = next;
        }
        match (count, done) {
            (0, _) => None,
            (_, false) => Some(Heard::Events(bytes)),
            (_, true) => Some(Heard::End(bytes)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.log.lock();
        state.listeners.retain(|(id, _)| *id != self.id);
        state.let_go();
        drop(state);
        self.log.changed.notify_waiters();
    }
}
