//! `Recovering`: resumes the events or fetches the run after the connection was lost.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use sync_wrapper::SyncWrapper;

use super::{RunStream, State};
use crate::error::{Error, ErrorKind, Result};
use crate::run_ref::RunRef;
use crate::streaming::recovery::{FetchOutcome, FetchTarget, Recovery, RunLocation};
use crate::streaming::snapshots::{MAX_SNAPSHOT_BYTES, snapshots_too_large};

/// Upper bound of the reconnection delay that a server can request.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);

impl RunStream {
    /// Handles the end of a response. Returns an error if the stream cannot recover.
    pub(super) fn on_closed(&mut self, cause: Option<Error>, is_done: bool) -> Option<Error> {
        let state = std::mem::replace(&mut self.state, State::Idle);
        if self.run_state.end().is_some() {
            return None;
        }
        let is_interrupted = cause.is_some();
        let error = self.connection_error(cause);
        let is_located = self.location.run().is_some() || self.thread_id().is_some();
        if !self.settings.reconnect || !is_located {
            return Some(self.fail(error));
        }
        self.run_state.clear_error();
        let (mut has_new_id, mut retry_delay) = (false, Duration::ZERO);
        if let State::Reading(connection) = &state {
            let id = self.ids.position(connection.last_event_id());
            if HeaderValue::try_from(id).is_err() {
                // The id cannot be sent, and earlier ids would repeat events.
                self.last_event_id.clear();
            } else if !id.is_empty() && id != self.last_event_id {
                has_new_id = true;
                id.clone_into(&mut self.last_event_id);
            }
            retry_delay = connection.retry_delay().unwrap_or_default().min(MAX_RETRY_DELAY);
        }
        let mut delay = Duration::ZERO;
        let recovery = match self.recovery.take() {
            None => self.new_recovery(),
            // A resumed connection was lost again. Only new events extend the deadline, and without
            // a new id the resumption counts as failed.
            Some(previous) => {
                let mut recovery = if self.has_new_events { self.new_recovery() } else { previous };
                let retry = match is_interrupted && !has_new_id {
                    true => recovery.delay_after_error(error).ok(),
                    false => None,
                };
                if !has_new_id && (retry.is_none() || self.has_new_events) {
                    // Resuming does not help, or repeats new events without ids: fetch the run.
                    self.last_event_id.clear();
                }
                delay = retry.unwrap_or_else(|| recovery.delay_after_success(None));
                recovery
            }
        };
        if is_done {
            self.last_event_id.clear();
        } else {
            self.is_resumed = false;
        }
        if !self.last_event_id.is_empty() {
            delay = delay.max(retry_delay);
        }
        self.recover(recovery, delay);
        None
    }

    pub(super) fn new_recovery(&self) -> Recovery {
        Recovery::new(Arc::clone(&self.api), &self.settings)
    }

    /// Starts a fetch after a delay.
    pub(super) fn recover(&mut self, recovery: Recovery, delay: Duration) {
        let last_event_id = self.last_event_id.clone();
        let target = match &self.location {
            RunLocation::Confirmed(run) => {
                FetchTarget::Run { run: run.clone(), last_event_id, is_confirmed: true }
            }
            RunLocation::Unconfirmed(origin) => match self.location.run() {
                Some(run) => {
                    FetchTarget::Run { run: run.clone(), last_event_id, is_confirmed: false }
                }
                None => FetchTarget::NewRun {
                    thread_id: self.thread_id().unwrap_or_default().to_owned(),
                    origin: origin.clone(),
                },
            },
        };
        let complete = self.run_state.complete_objects();
        self.state = State::Recovering(SyncWrapper::new(recovery.fetch(delay, target, complete)));
        self.recovery = Some(recovery);
    }

    /// Handles the result of a fetch. Returns an error if the recovery has failed.
    pub(super) fn on_fetched(&mut self, outcome: Result<FetchOutcome>) -> Option<Error> {
        self.state = State::Idle;
        let mut recovery = self.recovery.take()?;
        let delay = match outcome {
            Ok(FetchOutcome::Resumed(body)) => {
                self.read(body);
                self.ids.resume_after(&self.last_event_id);
                self.recovery = Some(recovery);
                return None;
            }
            Ok(FetchOutcome::State(fetched, poll_after)) => {
                self.set_location(RunLocation::Confirmed(RunRef::from(&fetched.run)));
                self.last_event_id.clear();
                self.synthesized = self.run_state.synthesize_events(*fetched);
                if self.run_state.snapshots().size() > MAX_SNAPSHOT_BYTES {
                    return Some(self.fail(snapshots_too_large()));
                }
                if self.run_state.end().is_some() {
                    self.guard.disarm();
                    if self.is_resumed {
                        // There are no events after the position, so all of these are known.
                        self.synthesized.clear();
                    }
                    return None;
                }
                recovery.delay_after_success(poll_after)
            }
            // The server cannot resume the events: fetch the run.
            Err(error) if !self.last_event_id.is_empty() && is_response(&error) => {
                self.last_event_id.clear();
                recovery.delay_after_success(error.retry_after())
            }
            Err(error) => match recovery.delay_after_error(error) {
                Ok(delay) => delay,
                Err(error) => return Some(self.fail(error)),
            },
        };
        self.recover(recovery, delay);
        None
    }

    /// Returns the thread of the run, if it is known.
    fn thread_id(&self) -> Option<&str> {
        match &self.location {
            RunLocation::Confirmed(run) => Some(&run.thread_id),
            RunLocation::Unconfirmed(origin) => self.run_state.thread_id().or(origin.thread_id()),
        }
    }

    /// Creates the error of a lost connection.
    pub(super) fn connection_error(&self, cause: Option<Error>) -> Error {
        let error = match (self.run_state.error(), cause) {
            (Some(event), _) => Error::event(event),
            (None, Some(cause)) => cause,
            (None, None) => Error::new(ErrorKind::Connection, "the server closed the stream"),
        };
        let context = match (&self.location, self.location.run()) {
            (RunLocation::Confirmed(_), _) => {
                "the connection was lost before the run ended or required action".to_owned()
            }
            (RunLocation::Unconfirmed(_), Some(run)) => format!(
                "the connection was lost before the first run event; retrieve run {} on {}",
                run.run_id, run.thread_id
            ),
            (RunLocation::Unconfirmed(_), None) => "the connection was lost before the first run \
                                                event; the run may have been created: list the \
                                                runs of the thread before you create another"
                .to_owned(),
        };
        error.with_context(&context).with_run(self.run().cloned())
    }
}

/// Returns whether the server replied, although not with the requested events.
fn is_response(error: &Error) -> bool {
    error.status().is_some() || error.kind() == ErrorKind::Decode
}
