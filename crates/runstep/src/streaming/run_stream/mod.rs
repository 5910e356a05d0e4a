//! A stream of the events of one run, across lost connections and tool outputs.
//!
//! # State machine
//!
//! | state | on | next state |
//! | --- | --- | --- |
//! | `Reading` | terminal event | `Draining` |
//! | | connection lost | `Recovering`, or `Idle` with an error if neither run nor thread is known, or with `reconnect(false)` |
//! | | snapshots exceed their limit | `Idle` with an error |
//! | `Draining` | end of the response, or [`TRAILER_TIMEOUT`](reading) | `Idle` |
//! | | event that supersedes the terminal event | `Reading` |
//! | `Recovering` | resumed | `Reading` |
//! | | the server cannot resume | `Recovering`, without `Last-Event-ID` |
//! | | run is active | `Recovering`, after a delay |
//! | | run has settled | `Idle`, after the synthesized events |
//! | | recovery deadline, or an error that is not tolerated | `Idle` with an error |
//! | `Reading`, `Recovering` | deadline | `Cancelling` with `cancel_on_deadline` and a known run, otherwise `Idle` with an error |
//! | `Cancelling` | the run had ended already | `Idle`, after the synthesized events |
//! | | cancelled, failed or timed out | `Idle` with an error |
//! | `Idle` | snapshots lack the content of a malformed event | `Reconciling` |
//! | | `submit_tool_outputs` | `Reading`, or `Recovering` if the server does not stream |
//! | `Reconciling` | fetched, failed, timed out or deadline | `Idle` |
//!
//! ```text
//!  ┌──────────────────── submit_tool_outputs ─────────────────────┐
//!  ▼                                                              │
//! Reading ◀────▶ Draining ─────────────────────────────────────▶ Idle ◀────▶ Reconciling
//!  │  ▲                                                           ▲
//!  ▼  │                                                           │
//! Recovering ─────────────────────────────────────────────────────┘
//! ```
//!
//! A segment is the events of one response: from the request, or from submitted outputs, to the next
//! terminal event. `Idle` is the end of the stream, unless the run requires action. Each state has a file: `reading`
//! (with draining), `recovering`, `reconciling` and `deadline` (with cancelling); `submit` leads from `Idle` to the next segment.
//! `methods` contains what callers see.

mod deadline;
mod methods;
mod reading;
mod reconciling;
mod recovering;
mod submit;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
#[cfg(feature = "tools")]
use runstep_api::types::Run;
use runstep_api::types::StreamEvent as RunEvent;
use sync_wrapper::SyncWrapper;
use tokio::time::Instant;

use super::connection::EventConnection;
use super::event_ids::EventIds;
use super::recovery::{FetchOutcome, Recovery, RunLocation, RunOrigin};
use super::run_api::{ApiFuture, RunApi, StreamResponse};
use super::run_state::RunState;
use super::settings::StreamSettings;
use crate::error::{Error, Result};
use crate::polling::CancelOnDrop;
use crate::run_ref::RunRef;
use crate::time::{Timer, deadline_after};
use deadline::{CancelFuture, Cancelled, EventClock};
use reconciling::{ReconcileFuture, SnapshotGap};

pub use super::run_state::StreamEnd;
pub use methods::CollectedRun;

/// A stream of the events of a run; see [`CreateRun::stream`](crate::CreateRun::stream) and
/// [`docs::streaming`](crate::docs::streaming).
///
/// The stream ends when the run has ended or requires action; [`end`](Self::end) returns the
/// reason. [`submit_tool_outputs`](Self::submit_tool_outputs) continues a stream whose run requires
/// action.
///
/// After a lost connection the stream resumes the events, or fetches the run and synthesizes the
/// events that were missed, until the
/// [`recovery_deadline`](crate::RunRequest::recovery_deadline). The request is never sent again,
/// so a run is never created twice.
///
/// Dropping the stream closes the connection. The run remains active, unless
/// [`cancel_on_drop`](crate::RunRequest::cancel_on_drop) is set.
#[must_use = "a stream does nothing until it is polled"]
pub struct RunStream {
    api: Arc<dyn RunApi>,
    settings: StreamSettings,
    state: State,
    run_state: RunState,
    location: RunLocation,
    /// Synthesized events that have not been yielded yet.
    synthesized: VecDeque<RunEvent>,
    is_synthesized: bool,
    recovery: Option<Recovery>,
    last_event_id: String,
    /// Whether the current connection has yielded a new event.
    has_new_events: bool,
    /// Whether the caller has received the events before the first one of this stream.
    is_resumed: bool,
    gap: SnapshotGap,
    guard: CancelOnDrop,
    /// When the stream ends with an error unless the run has settled.
    deadline: Instant,
    /// One timer for all timeouts, because polling a timer costs as much as decoding an event.
    timer: Timer,
    /// Whether the deadline applies to all segments, not only to the current one.
    is_deadline_total: bool,
    clock: EventClock,
    ids: EventIds,
}

/// The states of a stream; see the module documentation.
enum State {
    /// Reads events from a connection.
    Reading(Box<EventConnection>),
    /// Reads the rest of a response after the terminal event, so that the connection can be reused.
    /// Until this instant at most.
    Draining(Box<EventConnection>, Instant),
    /// Resumes the events or fetches the run after the connection was lost.
    Recovering(SyncWrapper<ApiFuture<'static, FetchOutcome>>),
    /// Fetches the content of malformed events after the terminal event.
    Reconciling(SyncWrapper<ReconcileFuture>),
    /// Cancels the run at the deadline.
    Cancelling(SyncWrapper<CancelFuture>),
    /// Has ended, or waits for tool outputs.
    Idle,
}

impl RunStream {
    /// Creates a stream for a request that creates a run.
    pub(super) fn for_new_run(
        api: Arc<dyn RunApi>,
        settings: StreamSettings,
        response: StreamResponse,
        origin: RunOrigin,
    ) -> Self {
        let run_state = match origin.thread_id() {
            Some(_) => RunState::default(),
            None => RunState::with_new_thread(),
        };
        Self::start(api, settings, run_state, RunLocation::Unconfirmed(origin), response)
    }

    /// Creates a stream for a request that submits outputs of these calls.
    pub(super) fn for_tool_outputs(
        api: Arc<dyn RunApi>,
        settings: StreamSettings,
        response: StreamResponse,
        run: RunRef,
        submitted_call_ids: Vec<String>,
    ) -> Self {
        let run_state = RunState::after_outputs(submitted_call_ids);
        Self::start(api, settings, run_state, RunLocation::Confirmed(run), response)
    }

    /// Creates a stream of a run that exists, from the event after `last_event_id` if that is not
    /// empty and the response is a stream of events.
    pub(super) fn at_position(
        api: Arc<dyn RunApi>,
        settings: StreamSettings,
        response: StreamResponse,
        run: RunRef,
        last_event_id: String,
    ) -> Self {
        let is_resumed = !last_event_id.is_empty() && matches!(response, StreamResponse::Events(_));
        let location = RunLocation::Confirmed(run);
        let run_state = if is_resumed { RunState::within_run() } else { RunState::default() };
        let mut stream = Self::start(api, settings, run_state, location, response);
        if is_resumed {
            stream.ids.resume_after(&last_event_id);
            stream.last_event_id = last_event_id;
            stream.is_resumed = true;
            // The events before the position are not part of the snapshots.
            stream.gap = SnapshotGap::Open;
        }
        stream
    }

    /// Creates a stream of a run that requires outputs. It has ended until they are submitted.
    #[cfg(feature = "tools")]
    pub(super) fn waiting_for_outputs(
        api: Arc<dyn RunApi>,
        settings: StreamSettings,
        run: Run,
    ) -> Self {
        let location = RunLocation::Confirmed(RunRef::from(&run));
        Self::idle(api, settings, RunState::waiting_for_outputs(run), location)
    }

    fn start(
        api: Arc<dyn RunApi>,
        settings: StreamSettings,
        run_state: RunState,
        location: RunLocation,
        response: StreamResponse,
    ) -> Self {
        let mut stream = Self::idle(api, settings, run_state, location);
        stream.arm_guard();
        stream.start_segment(response);
        stream
    }

    fn idle(
        api: Arc<dyn RunApi>,
        settings: StreamSettings,
        run_state: RunState,
        location: RunLocation,
    ) -> Self {
        Self {
            deadline: deadline_after(settings.deadline),
            timer: Timer::default(),
            is_deadline_total: false,
            clock: EventClock::default(),
            ids: EventIds::default(),
            api,
            settings,
            state: State::Idle,
            run_state,
            location,
            synthesized: VecDeque::new(),
            is_synthesized: false,
            recovery: None,
            last_event_id: String::new(),
            has_new_events: false,
            is_resumed: false,
            gap: SnapshotGap::None,
            guard: CancelOnDrop::disarmed(),
        }
    }

    /// Closes the connection without cancelling the run.
    pub(crate) fn stop(&mut self) {
        self.state = State::Idle;
        self.recovery = None;
        self.gap = SnapshotGap::None;
        self.guard.disarm();
    }

    /// Ends the stream with an error.
    fn fail(&mut self, error: Error) -> Error {
        self.stop();
        self.run_state.set_connection_lost();
        error.with_run(self.run().cloned())
    }

    fn set_location(&mut self, location: RunLocation) {
        self.location = location;
        self.arm_guard();
    }

    /// Arms the guard if the run is known and should be cancelled on drop.
    fn arm_guard(&mut self) {
        self.guard.disarm();
        self.guard = match self.location.run() {
            Some(run) if self.settings.cancel_on_drop => {
                CancelOnDrop::armed(self.api.cancel(run.clone()))
            }
            _ => CancelOnDrop::disarmed(),
        };
    }
}

impl Stream for RunStream {
    type Item = Result<RunEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = &mut *self;
        loop {
            if let Some(event) = stream.synthesized.pop_front() {
                stream.is_synthesized = true;
                return Poll::Ready(Some(Ok(event)));
            }
            let step = match stream.poll_state(context) {
                Poll::Ready(step) => step,
                Poll::Pending => ready!(stream.poll_timeout(context)),
            };
            match step {
                Step::Item(item) => return Poll::Ready(Some(item)),
                Step::Continue => {}
                Step::End => return Poll::Ready(None),
            }
        }
    }
}

/// The result of polling the current state.
enum Step {
    Item(Result<RunEvent>),
    Continue,
    End,
}

impl RunStream {
    fn poll_state(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        let item = match &mut self.state {
            State::Reading(connection) => {
                // Events that are ready do not extend the deadline.
                if self.clock.has_passed(self.deadline) {
                    let item = self.on_deadline().map(Err);
                    return Poll::Ready(item.map_or(Step::Continue, Step::Item));
                }
                let item = ready!(connection.poll_item(&mut self.ids, context));
                self.on_connection_item(item)
            }
            State::Draining(connection, until) => {
                // Checked first, so that a server that never ends its response is not read forever.
                if Instant::now() >= *until {
                    self.state = State::Idle;
                    return Poll::Ready(Step::Continue);
                }
                let item = ready!(connection.poll_item(&mut self.ids, context));
                self.on_connection_item(item)
            }
            State::Recovering(fetch) => {
                let outcome = ready!(fetch.get_mut().as_mut().poll(context));
                self.on_fetched(outcome).map(Err)
            }
            State::Reconciling(fetch) => {
                let fetched = ready!(fetch.get_mut().as_mut().poll(context));
                self.on_reconciled(fetched);
                None
            }
            State::Cancelling(cancel) => {
                let cancelled = ready!(cancel.get_mut().as_mut().poll(context));
                self.on_cancelled(cancelled.unwrap_or(Cancelled::Run(None))).map(Err)
            }
            State::Idle => match self.start_reconciling() {
                true => None,
                false => return Poll::Ready(Step::End),
            },
        };
        Poll::Ready(item.map_or(Step::Continue, Step::Item))
    }
}
