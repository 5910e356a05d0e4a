//! The newest events of a run that executes.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::frame::Frame;

/// The size up to which a log has events that are also in the store.
pub(super) const MAX_BYTES: usize = 512 * 1024;
/// A subscriber is slow if it is more than this many events behind,
pub(super) const MAX_LAG_EVENTS: u64 = 256;
/// or more than this many bytes.
const MAX_LAG_BYTES: u64 = 256 * 1024;
/// How long one execution of a run waits for slow subscribers in total, before it continues without
/// them.
pub(crate) const SLOW_SUBSCRIBER_BUDGET: Duration = Duration::from_secs(30);

/// The newest events of one execution, which ends in `done`. Events that the store does not have
/// yet are always in the log.
#[derive(Debug)]
pub(crate) struct EventLog {
    pub(super) state: Mutex<State>,
    /// Counts the events of all runs.
    counter: Counter,
    /// Notifies subscribers of new events, and the run of progress of the subscribers.
    pub(super) changed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) frames: VecDeque<LoggedFrame>,
    /// The number of the first frame. The first event of a run has the number 1.
    pub(super) first: u64,
    /// The size of all frames.
    bytes: usize,
    /// The size of all events that were ever pushed.
    pushed_bytes: u64,
    /// Events with lower numbers are in the store.
    saved: u64,
    /// Whether no more events will be pushed.
    pub(super) is_closed: bool,
    pub(super) subscribers: Vec<SubscriberPosition>,
    pub(super) next_subscriber_id: u64,
}

#[derive(Debug)]
pub(super) struct LoggedFrame {
    pub(super) frame: Frame,
    /// The size of all events pushed before this one.
    preceding_bytes: u64,
}

/// The position of a subscriber.
#[derive(Debug)]
pub(super) struct SubscriberPosition {
    pub(super) id: u64,
    /// The number of the next event that it receives.
    pub(super) next: u64,
    /// Whether the run waits for it.
    is_awaited: bool,
}

impl EventLog {
    /// Creates a log. The counter counts the events of all runs.
    pub(crate) fn new(counter: Counter, first: u64) -> Self {
        let state = State {
            frames: VecDeque::new(),
            first,
            bytes: 0,
            pushed_bytes: 0,
            saved: first,
            is_closed: false,
            subscribers: Vec::new(),
            next_subscriber_id: 0,
        };
        Self { state: Mutex::new(state), counter, changed: Notify::new() }
    }

    /// Appends events. Those with numbers lower than `saved` are in the store.
    pub(crate) fn push(&self, frames: impl IntoIterator<Item = Frame>, saved: u64) {
        let mut state = self.state.lock();
        for frame in frames {
            let length = frame.bytes.len();
            let preceding_bytes = state.pushed_bytes;
            state.bytes += length;
            state.pushed_bytes += length as u64;
            state.frames.push_back(LoggedFrame { frame, preceding_bytes });
            self.counter.inc();
        }
        state.saved = state.saved.max(saved);
        state.evict();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Returns the number of the next event.
    pub(crate) fn next(&self) -> u64 {
        self.state.lock().next()
    }

    /// Closes the log: later events are only in the store.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    /// Waits until no subscriber is slow, but not longer than the budget, which it reduces by the
    /// time it waited. Subscribers that are still slow then are not waited for again.
    pub(crate) async fn wait_for_slow_subscribers(&self, budget: &mut Duration) {
        if !self.state.lock().has_slow_reader() {
            return;
        }
        let caught_up = async {
            loop {
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                if !self.state.lock().has_slow_reader() {
                    return;
                }
                changed.await;
            }
        };
        let started = Instant::now();
        if tokio::time::timeout(*budget, caught_up).await.is_err() {
            self.state.lock().drop_slow_subscribers();
        }
        *budget = budget.saturating_sub(started.elapsed());
    }

    /// Returns the size of the events in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }
}

impl State {
    /// Returns the number of the next event.
    pub(super) fn next(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// Adds a subscriber that the run waits for. Returns its id.
    pub(super) fn add_subscriber(&mut self, next: u64) -> u64 {
        let id = self.next_subscriber_id;
        self.next_subscriber_id += 1;
        self.subscribers.push(SubscriberPosition { id, next, is_awaited: true });
        id
    }

    fn has_slow_reader(&self) -> bool {
        let awaited = self.subscribers.iter().filter(|position| position.is_awaited);
        awaited.map(|position| position.next).any(|next| self.is_slow(next))
    }

    /// Returns whether a subscriber whose next event has this number is slow.
    fn is_slow(&self, next: u64) -> bool {
        let position = usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let frame = self.frames.get(position);
        let unread_bytes = frame.map_or(0, |frame| self.pushed_bytes - frame.preceding_bytes);
        self.next().saturating_sub(next) > MAX_LAG_EVENTS || unread_bytes > MAX_LAG_BYTES
    }

    /// Evicts the oldest events that the store has, if no subscriber needs them or beyond the size
    /// limit.
    pub(super) fn evict(&mut self) {
        let needed = self.subscribers.iter().map(|position| position.next).min();
        let needed = needed.unwrap_or(u64::MAX);
        while self.first < self.saved
            && (self.first < needed || self.bytes > MAX_BYTES)
            && let Some(evicted) = self.frames.pop_front()
        {
            self.bytes -= evicted.frame.bytes.len();
            self.first += 1;
        }
    }

    /// Stops waiting for slow subscribers. They can still receive all events.
    fn drop_slow_subscribers(&mut self) {
        let mut subscribers = std::mem::take(&mut self.subscribers);
        for position in &mut subscribers {
            position.is_awaited &= !self.is_slow(position.next);
        }
        self.subscribers = subscribers;
    }
}
