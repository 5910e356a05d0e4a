//! The log of a run's events.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use axum::body::Bytes;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use runstep_api::types::StreamEvent;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::frame;

/// The size up to which a log retains events. It exceeds this only for events that a subscriber of
/// the current execution has yet to receive.
pub(super) const MAX_BYTES: usize = 512 * 1024;
/// A subscriber is slow if it is more than this many events behind,
pub(super) const MAX_LAG_EVENTS: u64 = 256;
/// or more than this many bytes.
const MAX_LAG_BYTES: u64 = 256 * 1024;
/// How long one execution of a run waits for slow subscribers in total, before it continues without
/// them.
pub(crate) const SLOW_SUBSCRIBER_BUDGET: Duration = Duration::from_secs(30);

/// The events of one run, over all its executions. Those of each execution end in `done`.
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
    pub(super) frames: VecDeque<Frame>,
    /// The number of the first frame. The first event of a run has the number 1.
    pub(super) first: u64,
    /// The size of all frames.
    bytes: usize,
    /// The size of all events that were ever pushed.
    pushed_bytes: u64,
    /// The number of the first event of the execution that pushed last.
    execution_start: u64,
    /// The subscribers that the run waits for.
    pub(super) awaited_subscribers: Vec<SubscriberPosition>,
    pub(super) next_subscriber_id: u64,
}

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// The size of all events pushed before this one.
    preceding_bytes: u64,
    /// Whether this is the `done` of an execution.
    pub(super) done: bool,
}

/// The position of a subscriber.
#[derive(Debug)]
pub(super) struct SubscriberPosition {
    pub(super) id: u64,
    /// The number of the next event that it receives.
    pub(super) next: u64,
}

impl EventLog {
    /// Creates a log. The counter counts the events of all runs.
    pub(crate) fn new(counter: Counter) -> Self {
        let state = State {
            frames: VecDeque::new(),
            first: 1,
            bytes: 0,
            pushed_bytes: 0,
            execution_start: 1,
            awaited_subscribers: Vec::new(),
            next_subscriber_id: 0,
        };
        Self { state: Mutex::new(state), counter, changed: Notify::new() }
    }

    /// Appends an event.
    pub(crate) fn push(&self, event: &StreamEvent) {
        let mut state = self.state.lock();
        let number = state.next();
        let bytes = frame::encode(Some(number), event);
        if state.is_done() {
            state.execution_start = number;
        }
        let (done, preceding_bytes) = (matches!(event, StreamEvent::Done), state.pushed_bytes);
        state.bytes += bytes.len();
        state.pushed_bytes += bytes.len() as u64;
        state.frames.push_back(Frame { bytes, preceding_bytes, done });
        state.evict();
        drop(state);
        self.counter.inc();
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

    /// Returns the size of the retained events in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }
}

impl State {
    /// Returns the number of the next event.
    pub(super) fn next(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// Returns whether the last event is the `done` of an execution.
    pub(super) fn is_done(&self) -> bool {
        self.frames.back().is_some_and(|frame| frame.done)
    }

    fn has_slow_reader(&self) -> bool {
        self.slowest().is_some_and(|next| self.is_slow(next))
    }

    /// Returns whether a subscriber whose next event has this number is slow.
    fn is_slow(&self, next: u64) -> bool {
        let position = usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let frame = self.frames.get(position);
        let unread_bytes = frame.map_or(0, |frame| self.pushed_bytes - frame.preceding_bytes);
        self.next() - next > MAX_LAG_EVENTS || unread_bytes > MAX_LAG_BYTES
    }

    /// Returns the position of the slowest subscriber to the execution that pushed last.
    fn slowest(&self) -> Option<u64> {
        let positions = self.awaited_subscribers.iter().map(|position| position.next);
        positions.filter(|next| *next >= self.execution_start).min()
    }

    /// Evicts the oldest events beyond the size limit, unless a subscriber needs them.
    pub(super) fn evict(&mut self) {
        let needed = self.slowest().unwrap_or(u64::MAX);
        while self.bytes > MAX_BYTES
            && self.first < needed
            && let Some(frame) = self.frames.pop_front()
        {
            self.bytes -= frame.bytes.len();
            self.first += 1;
        }
    }

    /// Stops waiting for slow subscribers. They can still receive the events that are retained.
    fn drop_slow_subscribers(&mut self) {
        let mut awaited_subscribers = std::mem::take(&mut self.awaited_subscribers);
        awaited_subscribers.retain(|position| !self.is_slow(position.next));
        self.awaited_subscribers = awaited_subscribers;
        self.evict();
    }
}
