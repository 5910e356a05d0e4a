//! What a stream does about a cut.

use std::sync::Arc;
use std::time::Duration;

use super::{RunStream, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::poll::RunRef;
use crate::stream::recovery::{Look, Recovery, Target};
use crate::stream::remote::Answer;

impl RunStream {
    /// The reply has ended. Gives an error if it is not made up for.
    pub(super) fn cut(&mut self, cause: Option<Error>) -> Option<Error> {
        let source = std::mem::replace(&mut self.source, Source::None);
        if self.progress.end().is_some() {
            return None;
        }
        let error = self.cut_error(cause);
        let known = self.run.is_some() || self.progress.thread_id().is_some();
        if !self.settings.recover || !known {
            return Some(self.give_up(error));
        }
        self.progress.forget_error();
        let mut pause = Duration::ZERO;
        let mut heard = true;
        if let Source::Leg(leg, _) = &source {
            heard = leg.has_heard();
            if !leg.last_event_id().is_empty() {
                leg.last_event_id().clone_into(&mut self.last_event_id);
            }
            pause = leg.retry().unwrap_or_default();
        }
        let recovery = match self.recovery.take() {
            // It was resumed in vain.
            Some(mut recovery) if !heard => match recovery.failed(error) {
                Ok(longer) => {
                    pause = pause.max(longer);
                    recovery
                }
                Err(error) => return Some(self.give_up(error)),
            },
            // It was resumed, and cut again: a server that does so for ever is asked at a pace.
            Some(_) => {
                let mut recovery = self.new_recovery();
                pause = pause.max(recovery.found(None));
                recovery
            }
            None => self.new_recovery(),
        };
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
        let target = match (&self.run, self.progress.thread_id()) {
            (Some(run), _) => Target::Run { run: run.clone(), last_event_id },
            (None, thread_id) => {
                Target::OnlyRunOf { thread_id: thread_id.unwrap_or_default().to_owned() }
            }
        };
        recovery.look(pause, target, self.progress.told_messages())
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
                if self.progress.end().is_some() {
                    self.guard.run = None;
                    return None;
                }
                recovery.found(ask_after)
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
        self.source = Source::None;
        self.recovery = None;
        // What becomes of the run is for the caller to say.
        self.guard.run = None;
        self.progress.cut();
        error.with_run(self.run().cloned())
    }

    pub(super) fn cut_error(&self, cause: Option<Error>) -> Error {
        let error = match (self.progress.error(), cause) {
            (Some(error), _) => Error::event(error),
            (None, Some(cause)) => cause,
            (None, None) => Error::new(ErrorKind::Connection, "the server ended the stream"),
        };
        let what = match self.run {
            Some(_) => "the stream was cut before its run had ended",
            None => {
                "the stream was cut before it told its run, which may have been made all the same: \
                 look at the runs of the thread before you create another"
            }
        };
        error.with_context(what).with_run(self.run().cloned())
    }
}
