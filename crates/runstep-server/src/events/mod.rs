//! The events of a run: numbered, kept for a while, and listened to from any of them on.

mod frame;
mod kept;
mod listener;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use prometheus_client::metrics::counter::Counter;
use runstep_api::types::StreamEvent;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use frame::unnumbered;
pub(crate) use kept::Kept;
pub(crate) use listener::{Heard, Listener};

/// How many bytes of events are kept of one run, unless more are still to be heard.
const MOST_BYTES: usize = 512 * 1024;
/// How many events a listener may be behind before its run waits for it,
const LAG: u64 = 256;
/// and how many bytes.
const LAG_BYTES: u64 = 256 * 1024;
/// How long a leg of a run waits in all for listeners that are behind; then it goes on without them.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The events of one run, over all its legs. Those of a leg end in `done`.
#[derive(Debug)]
pub(crate) struct EventLog {
    state: Mutex<State>,
    /// Counts the events of all runs.
    told: Counter,
    /// Wakes listeners when there are new events, and the run when a listener has heard some.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    frames: VecDeque<Frame>,
    /// The number of the first of the frames; the first event of a run has 1.
    first: u64,
    /// Of all frames.
    bytes: usize,
    /// Of all that was ever pushed.
    pushed: u64,
    /// Where the leg begins whose events came last.
    leg: u64,
    /// Those that a run waits for: what makes them out, and the number of what they hear next.
    listeners: Vec<(u64, u64)>,
    listeners_made: u64,
}

#[derive(Debug)]
struct Frame {
    bytes: Bytes,
    /// How many bytes had been pushed before.
    before: u64,
    /// Whether it is the `done` of a leg.
    done: bool,
}

impl EventLog {
    /// `told` counts the events of all runs.
    pub(crate) fn new(told: Counter) -> Self {
        let state = State {
            frames: VecDeque::new(),
            first: 1,
            bytes: 0,
            pushed: 0,
            leg: 1,
            listeners: Vec::new(),
            listeners_made: 0,
        };
        Self { state: Mutex::new(state), told, changed: Notify::new() }
    }

    /// Adds an event.
    pub(crate) fn push(&self, event: &StreamEvent) {
        let mut state = self.lock();
        let number = state.next();
        let bytes = frame::numbered(number, event);
        if state.frames.back().is_some_and(|frame| frame.done) {
            state.leg = number;
        }
        let (done, before) = (matches!(event, StreamEvent::Done), state.pushed);
        state.bytes += bytes.len();
        state.pushed += bytes.len() as u64;
        state.frames.push_back(Frame { bytes, before, done });
        state.let_go();
        drop(state);
        self.told.inc();
        self.changed.notify_waiters();
    }

    /// Waits until those who listen have heard enough of what was told, but not longer than there is
    /// patience left, of which this takes its part.
    pub(crate) async fn room(&self, patience: &mut Duration) {
        if !self.lock().is_crowded() {
            return;
        }
        let heard = async {
            loop {
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                if !self.lock().is_crowded() {
                    return;
                }
                changed.await;
            }
        };
        let started = Instant::now();
        if tokio::time::timeout(*patience, heard).await.is_err() {
            self.lock().leave_behind();
        }
        *patience = patience.saturating_sub(started.elapsed());
    }

    /// Listens to what comes after the event of this number, up to the next `done`. Nobody can if
    /// that is not kept any more, or if nothing comes.
    pub(crate) fn listen_after(self: &Arc<Self>, number: u64) -> Option<Listener> {
        let mut state = self.lock();
        let next = number.checked_add(1)?;
        let over = state.frames.back().is_some_and(|frame| frame.done) && next == state.next();
        (next >= state.first && next <= state.next() && !over)
            .then(|| Listener::new(self, &mut state, next))
    }

    /// Listens to what comes from now on.
    pub(crate) fn listen(self: &Arc<Self>) -> Listener {
        let mut state = self.lock();
        let next = state.next();
        Listener::new(self, &mut state, next)
    }

    /// How many bytes of events are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// It is changed in steps that cannot panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The number of the next event.
    fn next(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// Whether somebody is far behind.
    fn is_crowded(&self) -> bool {
        self.slowest().is_some_and(|next| self.is_far_behind(next))
    }

    fn is_far_behind(&self, next: u64) -> bool {
        let place = usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let unheard = self.frames.get(place).map_or(0, |frame| self.pushed - frame.before);
        self.next() - next > LAG || unheard > LAG_BYTES
    }

    /// Where the slowest of those is who listen to the present leg, or the last one.
    fn slowest(&self) -> Option<u64> {
        self.listeners.iter().map(|(_, next)| *next).filter(|next| *next >= self.leg).min()
    }

    /// Lets go of the oldest when there are too many.
    fn let_go(&mut self) {
        let needed = self.slowest().unwrap_or(u64::MAX);
        while self.bytes > MOST_BYTES
            && self.first < needed
            && let Some(frame) = self.frames.pop_front()
        {
            self.bytes -= frame.bytes.len();
            self.first += 1;
        }
    }

    /// Waits no more for those who are too slow. They may still hear what is kept.
    fn leave_behind(&mut self) {
        let mut listeners = std::mem::take(&mut self.listeners);
        listeners.retain(|(_, next)| !self.is_far_behind(*next));
        self.listeners = listeners;
        self.let_go();
    }
}

#[cfg(test)]
mod tests;
