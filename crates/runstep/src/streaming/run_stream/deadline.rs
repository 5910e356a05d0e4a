//! Timeouts and the deadline of a stream, and `Cancelling`.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt as _;
use runstep_api::types::Run;
use sync_wrapper::SyncWrapper;
use tokio::time::{Instant, timeout};

use super::{RunStream, State, Step};
use crate::error::{Error, ErrorKind};
use crate::polling::{FINAL_CANCEL_TIMEOUT, has_settled};
use crate::run_ref::RunRef;
use crate::streaming::recovery::{FetchOutcome, FetchTarget, fetch};
use crate::streaming::run_api::ApiFuture;
use crate::streaming::run_state::FetchedState;
use crate::time::deadline_after;

/// What the server returned when the run was cancelled at the deadline.
pub(super) enum Cancelled {
    /// The run as the cancel request returned it, if it succeeded.
    Run(Option<Box<Run>>),
    /// The state of a run that could not be cancelled.
    State(Box<FetchedState>),
}

/// Why a stream stops waiting.
enum Timeout {
    /// The deadline of the stream.
    Deadline,
    /// Nothing was received for the idle timeout.
    Idle,
    /// The response did not end in time after the terminal event.
    Trailer,
}

/// Reads the clock while events are ready, without a cost per event.
///
/// A slow caller is detected by the time between two readings; from then on the clock is read before
/// each event. A fast one takes 32 events in at most [`FAST`](Self::FAST), so that a deadline is noticed
/// late by 31 events at most, once.
#[derive(Default)]
pub(super) struct EventClock {
    skipped_events: u8,
    last_reading: Option<Instant>,
}

impl EventClock {
    /// How many events are read between two readings while the caller is fast.
    const SKIPPED_EVENTS: u8 = 31;
    /// The maximum time between two readings of a fast caller.
    const FAST: Duration = Duration::from_millis(1);

    /// Returns whether an instant has passed, according to the last reading of the clock.
    pub(super) fn has_passed(&mut self, at: Instant) -> bool {
        if let Some(skipped) = self.skipped_events.checked_sub(1) {
            self.skipped_events = skipped;
            return false;
        }
        let now = Instant::now();
        let last = self.last_reading.replace(now);
        if last.is_some_and(|last| now - last <= Self::FAST) {
            self.skipped_events = Self::SKIPPED_EVENTS;
        }
        now >= at
    }
}

/// Cancels the run, with a timeout.
pub(super) type CancelFuture = ApiFuture<'static, Cancelled>;

impl RunStream {
    /// Sets the deadline of the current segment.
    pub(crate) fn with_deadline(mut self, deadline: Instant) -> Self {
        self.set_deadline(deadline);
        self
    }

    /// Sets a deadline that also applies to later segments.
    #[cfg(feature = "tools")]
    pub(crate) fn with_total_deadline(self, deadline: Instant) -> Self {
        Self { is_deadline_total: true, ..self.with_deadline(deadline) }
    }

    fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Starts the time of a new segment.
    pub(super) fn restart_deadline(&mut self) {
        if !self.is_deadline_total {
            self.set_deadline(deadline_after(self.settings.deadline));
        }
    }

    /// Waits for the first timeout that applies to the current state, and handles it.
    pub(super) fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        let now = Instant::now();
        let Some((at, timeout)) = self.next_timeout(now) else { return Poll::Pending };
        // A task whose budget is used up would not see the timer.
        if now < at {
            ready!(self.timer.poll(at, context));
        }
        let item = match (timeout, &self.state) {
            (Timeout::Deadline, _) => self.on_deadline().map(Err),
            (Timeout::Idle, State::Reading(connection) | State::Draining(connection, _)) => {
                let end = connection.idle_error();
                self.on_connection_item(end)
            }
            (Timeout::Idle | Timeout::Trailer, _) => {
                self.state = State::Idle;
                None
            }
        };
        Poll::Ready(item.map_or(Step::Continue, Step::Item))
    }

    fn next_timeout(&mut self, now: Instant) -> Option<(Instant, Timeout)> {
        let (at, timeout) = match &self.state {
            State::Reading(_) | State::Recovering(_) | State::Reconciling(_) => {
                (self.deadline, Timeout::Deadline)
            }
            State::Draining(_, until) => (*until, Timeout::Trailer),
            State::Cancelling(_) | State::Idle => return None,
        };
        let idle_at = match &mut self.state {
            State::Reading(connection) | State::Draining(connection, _) => connection.idle_at(now),
            _ => None,
        };
        match idle_at {
            Some(idle_at) if idle_at < at => Some((idle_at, Timeout::Idle)),
            _ => Some((at, timeout)),
        }
    }

    /// Handles the deadline. Returns an error, unless the run is cancelled first.
    pub(super) fn on_deadline(&mut self) -> Option<Error> {
        if let State::Reconciling(_) = self.state {
            // The run has settled. The stream ends without the missing content.
            self.state = State::Idle;
            return None;
        }
        let Some(run) = self.location.run().filter(|_| self.settings.cancel_on_deadline) else {
            return Some(self.deadline_exceeded(None));
        };
        self.state = State::Cancelling(SyncWrapper::new(self.cancel(run.clone())));
        None
    }

    /// Cancels the run. Fetches its state if it has ended already.
    fn cancel(&self, run: RunRef) -> CancelFuture {
        let (api, include) = (Arc::clone(&self.api), self.settings.include.clone());
        let complete = self.run_state.complete_objects();
        Box::pin(async move {
            let cancelled = async {
                match api.cancel(run.clone()).await {
                    Ok(run) => Cancelled::Run(Some(Box::new(run))),
                    Err(error) if error.status() == Some(400) => {
                        let last_event_id = String::new();
                        let target = FetchTarget::Run { run, last_event_id, is_confirmed: true };
                        match fetch(&*api, target, &include, &complete).await {
                            Ok(FetchOutcome::State(state, _)) => Cancelled::State(state),
                            _ => Cancelled::Run(None),
                        }
                    }
                    // A failed cancel is less informative than the deadline.
                    Err(_) => Cancelled::Run(None),
                }
            };
            Ok(timeout(FINAL_CANCEL_TIMEOUT, cancelled).await.unwrap_or(Cancelled::Run(None)))
        })
    }

    /// Handles the result of cancelling. Returns an error, unless the run had ended already.
    pub(super) fn on_cancelled(&mut self, cancelled: Cancelled) -> Option<Error> {
        match cancelled {
            Cancelled::State(state) if has_settled(&state.run) => {
                self.state = State::Idle;
                self.guard.disarm();
                self.synthesized = self.run_state.synthesize_events(*state);
                None
            }
            Cancelled::State(state) => Some(self.deadline_exceeded(Some(state.run))),
            Cancelled::Run(run) => Some(self.deadline_exceeded(run.map(|run| *run))),
        }
    }

    /// Ends the stream at its deadline. `run` is the state of the run, if it was fetched.
    fn deadline_exceeded(&mut self, run: Option<Run>) -> Error {
        let advice = match (self.settings.cancel_on_deadline, self.location.run()) {
            (true, Some(_)) => "",
            _ => "; poll it, or set a later deadline",
        };
        let message =
            format!("the run neither ended nor required action before the deadline{advice}");
        let run = run.or_else(|| self.run().cloned());
        self.stop();
        self.run_state.set_deadline_exceeded();
        Error::new(ErrorKind::Deadline, message).with_run(run)
    }

    /// Cancels the run of a stream that was opened too late, as soon as the run is known.
    pub(in crate::streaming) async fn cancel_late(mut self) {
        self.settings.cancel_on_drop = true;
        self.restart_deadline();
        if self.end().is_none() {
            self.arm_guard();
        }
        while self.location.run().is_none() && self.next().await.is_some() {}
    }
}
