//! Subscribers to a run's events.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;

use super::followers::{Follower, Followers};
use super::frame::skip_events;
use super::log::EventLog;
use crate::store::{EventChunk, Phase, RunKey, SharedStore};

/// The most bytes that one call of `receive` returns from a log, unless a single event is longer.
const MAX_BATCH_BYTES: usize = 32 * 1024;
/// How often the store is read for events of a run that does not execute in this process.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The same if other nodes notify this one of events.
const NOTIFIED_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Where all retained events of a run are.
#[derive(Clone)]
pub(crate) struct EventSource {
    pub(crate) store: SharedStore,
    pub(crate) key: RunKey,
    pub(crate) followers: Arc<Followers>,
}

/// Receives the events of one execution of a run, from some event on up to `done`.
pub(crate) struct Subscriber {
    source: EventSource,
    /// The log of the execution, if it is in this process.
    log: Option<Subscription>,
    /// Notifies of events of another node, if the run does not execute in this process.
    follower: Option<Follower>,
    next: u64,
}

/// A subscription to a log, which ends when it is dropped.
struct Subscription {
    log: Arc<EventLog>,
    id: u64,
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

/// What a log has for a subscriber.
enum Logged {
    Received(Received),
    /// The next event is older than the log.
    InStore,
    /// No event follows in this log.
    Closed,
}

impl Subscriber {
    /// Creates a subscriber to the events from this number on.
    pub(crate) fn new(source: EventSource, log: Option<&Arc<EventLog>>, next: u64) -> Self {
        let log = log.map(|log| {
            let id = log.state.lock().add_subscriber(next);
            Subscription { log: Arc::clone(log), id }
        });
        Self { source, log, follower: None, next }
    }

    /// Waits for events.
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
    pub(crate) async fn receive(&mut self) -> Received {
        loop {
            match &self.log {
                None => {
                    self.follow();
                    if let Some(received) = self.read_store().await {
                        return received;
                    }
                    if !self.is_active().await {
                        // Events may have been stored since the read.
                        return self.read_store().await.unwrap_or(Received::Lagged);
                    }
                    if let Some(received) = self.wait_for_news().await {
                        return received;
                    }
                }
                Some(subscription) => match subscription.receive(&mut self.next).await {
                    Logged::Received(received) => return received,
                    Logged::InStore => {
                        return self.read_store().await.unwrap_or(Received::Lagged);
                    }
                    Logged::Closed => self.log = None,
                },
            }
        }
    }

    /// Follows the run, from before a read of the store, so that nothing is missed in between.
    fn follow(&mut self) {
        let EventSource { key, followers, .. } = &self.source;
        self.follower.get_or_insert_with(|| followers.follow(key));
    }

    /// Waits until the store should be read again. Returns deltas that it does not have yet.
    async fn wait_for_news(&mut self) -> Option<Received> {
        let interval = match self.source.store.is_shared() {
            true => NOTIFIED_POLL_INTERVAL,
            false => POLL_INTERVAL,
        };
        let news = self.follower.as_mut()?.receive();
        let EventChunk { first, last, bytes, .. } =
            tokio::time::timeout(interval, news).await.ok().flatten()?;
        if !(first..=last).contains(&self.next) {
            return None;
        }
        let bytes = skip_events(&bytes, self.next - first);
        self.next = last + 1;
        Some(Received::Events(bytes))
    }

    /// Returns events of the store, if it has later ones.
    async fn read_store(&mut self) -> Option<Received> {
        let EventSource { store, key, .. } = &self.source;
        // An error of the store ends the stream with an error event.
        let chunks = store.events_after(key, self.next.saturating_sub(1)).await.ok()?;
        let EventChunk { first, last, is_done, bytes } = chunks.into_iter().next()?;
        let bytes = skip_events(&bytes, self.next.saturating_sub(first));
        self.next = last + 1;
        if let Some(subscription) = &self.log {
            subscription.advance(self.next);
        }
        Some(if is_done { Received::End(bytes) } else { Received::Events(bytes) })
    }

    /// Returns whether more events can follow.
    async fn is_active(&self) -> bool {
        let EventSource { store, key, .. } = &self.source;
        let record = store.run(key).await;
        record.is_ok_and(|record| !matches!(record.phase, Phase::Ended | Phase::RequiresAction))
    }
}

impl Subscription {
    /// Waits for events.
    async fn receive(&self, next: &mut u64) -> Logged {
        loop {
            let mut changed = pin!(self.log.changed.notified());
            changed.as_mut().enable();
            if let Some(logged) = self.take(next) {
                // The run may be waiting for this subscriber.
                self.log.changed.notify_waiters();
                return logged;
            }
            changed.await;
        }
    }

    /// Takes the events that are available.
    fn take(&self, next: &mut u64) -> Option<Logged> {
        let state = self.log.state.lock();
        let Some(skipped) = next.checked_sub(state.first) else { return Some(Logged::InStore) };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let (mut count, mut length, mut is_done) = (0, 0, false);
        for logged in state.frames.iter().skip(skipped) {
            let frame_length = logged.frame.bytes.len();
            if is_done || (count > 0 && length + frame_length > MAX_BATCH_BYTES) {
                break;
            }
            count += 1;
            length += frame_length;
            is_done = logged.frame.is_done;
        }
        if count == 0 {
            return state.is_closed.then_some(Logged::Closed);
        }
        let mut frames = state.frames.iter().skip(skipped).take(count);
        let bytes = if count == 1 {
            frames.next()?.frame.bytes.clone()
        } else {
            let mut bytes = Vec::with_capacity(length);
            frames.for_each(|logged| bytes.extend_from_slice(&logged.frame.bytes));
            bytes.into()
        };
        drop(state);
        *next += count as u64;
        self.advance(*next);
        Some(Logged::Received(if is_done { Received::End(bytes) } else { Received::Events(bytes) }))
    }

    /// Records the position of the subscriber.
    fn advance(&self, next: u64) {
        let mut state = self.log.state.lock();
        if let Some(position) = state.subscribers.iter_mut().find(|position| position.id == self.id)
        {
            position.next = next;
        }
        state.evict();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.log.state.lock();
        state.subscribers.retain(|position| position.id != self.id);
        state.evict();
        drop(state);
        self.log.changed.notify_waiters();
    }
}
