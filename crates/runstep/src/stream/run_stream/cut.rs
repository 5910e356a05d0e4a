//! What a stream does about a cut.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;

use super::{RunStream, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::poll::RunRef;
use crate::stream::identity::Identity;
use crate::stream::recovery::{Look, MAX_KEPT, Recovery, Target, too_long};
use crate::stream::remote::Answer;

/// The longest that a server can ask a stream to wait before it is resumed.
const LONGEST_RETRY: Duration = Duration::from_secs(10);

impl RunStream {
    /// The reply has ended, by its own word or not. Gives an error if it is not made up for.
    pub(super) fn cut(&mut self, cause: Option<Error>, said_done: bool) -> Option<Error> {
        let source = std::mem::replace(&mut self.source, Source::None);
        if self.progress.end().is_some() {
            return None;
        }
        let broke = cause.is_some();
        let error = self.cut_error(cause);
        let known = self.identity.run().is_some() || self.thread_id().is_some();
        if !self.settings.recover || !known {
            return Some(self.give_up(error));
        }
        self.progress.forget_error();
        let (mut further, mut retry) = (false, Duration::ZERO);
        if let Source::Leg(leg, _) = &source {
            let id = leg.last_event_id();
            if HeaderValue::try_from(id).is_err() {
                // It cannot be asked with, and the ones before it are not the last.
                self.last_event_id.clear();
            } else if !id.is_empty() && id != self.last_event_id {
                further = true;
                id.clone_into(&mut self.last_event_id);
            }
            retry = leg.retry().unwrap_or_default().min(LONGEST_RETRY);
        }
        let mut pause = Duration::ZERO;
        let recovery = match self.recovery.take() {
            None => self.new_recovery(),
            // It was resumed, and cut again: a server that does so for ever is asked at a pace, and
            // only what was new gives it more time.
            Some(before) => {
                let mut recovery = if self.advanced { self.new_recovery() } else { before };
                let again = if broke && !further { recovery.failed(error).ok() } else { None };
                if !further && again.is_none() {
                    // There is no rest to be had: the run itself is looked at.
                    self.last_event_id.clear();
                }
                pause = again.unwrap_or_else(|| recovery.found(None));
                recovery
            }
        };
        if said_done {
            self.last_event_id.clear();
        }
        if !self.last_event_id.is_empty() {
            pause = pause.max(retry);
        }
        self.source = Source::Look(self.look(&recovery, pause, self.last_event_id.clone()));
        self.recovery = Some(recovery);
        None
    }

    pub(super) fn new_recovery(&self) -> Recovery {
        Recovery::new(Arc::clone(&self.remote), &self.settings)
    }

    pub(super) fn look(
        &self,
        recovery: &Recovery,
        pause: Duration,
        last_event_id: String,
    ) -> Answer<'static, Look> {
        let target = match &self.identity {
            Identity::Told(run) => Target::Run { run: run.clone(), last_event_id, is_told: true },
            Identity::Sought(origin) => match self.identity.run() {
                Some(run) => Target::Run { run: run.clone(), last_event_id, is_told: false },
                None => Target::NewRun {
                    thread_id: self.thread_id().unwrap_or_default().to_owned(),
                    origin: origin.clone(),
                },
            },
        };
        recovery.look(pause, target, self.progress.told())
    }

    /// The thread that the run is on, if it is known.
    fn thread_id(&self) -> Option<&str> {
        match &self.identity {
            Identity::Told(run) => Some(&run.thread_id),
            Identity::Sought(origin) => self.progress.thread_id().or(origin.thread_id()),
        }
    }

    /// Takes what a look gave. Gives an error if there is to be no other.
    pub(super) fn looked(&mut self, looked: Result<Look>) -> Option<Error> {
        self.source = Source::None;
        let mut recovery = self.recovery.take()?;
        let pause = match looked {
            Ok(Look::Resumed(body)) => {
                self.read(body);
                self.recovery = Some(recovery);
                return None;
            }
            Ok(Look::Found(found, ask_after)) => {
                self.know(RunRef::from(&found.run));
                self.last_event_id.clear();
                self.missed = self.progress.catch_up(*found);
                if self.progress.snapshots().size() > MAX_KEPT {
                    return Some(self.give_up(too_long()));
                }
                if self.progress.end().is_some() {
                    self.guard.run = None;
                    return None;
                }
                recovery.found(ask_after)
            }
            // A server that answers but does not resume can still tell the run.
            Err(error) if !self.last_event_id.is_empty() && is_answer(&error) => {
                self.last_event_id.clear();
                recovery.found(error.retry_after())
            }
            Err(error) => match recovery.failed(error) {
                Ok(pause) => pause,
                Err(error) => return Some(self.give_up(error)),
            },
        };
        self.source = Source::Look(self.look(&recovery, pause, self.last_event_id.clone()));
        self.recovery = Some(recovery);
        None
    }

    pub(super) fn give_up(&mut self, error: Error) -> Error {
        self.stop();
        self.progress.cut();
        error.with_run(self.run().cloned())
    }

    pub(super) fn cut_error(&self, cause: Option<Error>) -> Error {
        let error = match (self.progress.error(), cause) {
            (Some(error), _) => Error::event(error),
            (None, Some(cause)) => cause,
            (None, None) => Error::new(ErrorKind::Connection, "the server ended the stream"),
        };
        let what = match (&self.identity, self.identity.run()) {
            (Identity::Told(_), _) => "the stream was cut before its run had ended".to_owned(),
            (Identity::Sought(_), Some(run)) => format!(
                "the stream was cut before it told its run, which is {} on {}",
                run.run_id, run.thread_id
            ),
            (Identity::Sought(_), None) => {
                "the stream was cut before it told its run, which may have been made all the same: \
                 look at the runs of the thread before you create another"
                    .to_owned()
            }
        };
        error.with_context(&what).with_run(self.run().cloned())
    }
}

/// Whether a server answered, though not with what it was asked for.
fn is_answer(error: &Error) -> bool {
    error.status().is_some() || error.kind() == ErrorKind::Decode
}
