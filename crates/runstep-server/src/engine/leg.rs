//! One leg of a run: from where it is queued to where it ends or requires action. Each leg is a
//! task of its own, which goes on whether or not somebody listens to its events.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _};
use runstep_api::types::{Message, RunIncompleteReason, RunStatus, StreamEvent, Usage};
use tokio::sync::oneshot;

use super::answer::Answer;
use super::ending::{self, Ending};
use super::lifecycle::transition;
use super::shared::Shared;
use super::slots::Place;
use super::{objects, prompt};
use crate::events::{EventLog, PATIENCE};
use crate::metrics::Counted;
use crate::model::{ModelError, ModelErrorKind, ModelRequest};
use crate::store::{Charge, Ordered, RunState, ThreadHandle, ThreadState};

/// What a leg works on.
pub(super) struct Leg {
    pub(super) shared: Arc<Shared>,
    thread: ThreadHandle,
    run_id: String,
    /// How many times outputs had come before this leg.
    number: u64,
    /// Where its events go, if anybody ever wanted them.
    log: Option<Arc<EventLog>>,
}

impl Leg {
    pub(super) fn new(
        shared: &Arc<Shared>,
        thread: &ThreadHandle,
        run_id: &str,
        number: u64,
        log: Option<Arc<EventLog>>,
    ) -> Self {
        let (shared, thread) = (Arc::clone(shared), thread.clone());
        Self { shared, thread, run_id: run_id.to_owned(), number, log }
    }

    /// Starts the leg as a task.
    pub(super) fn spawn(self, place: Place) {
        tokio::spawn(async move {
            // A model that panics must not leave its run in progress for ever.
            let run = AssertUnwindSafe(self.run(place)).catch_unwind().await;
            if run.is_err() {
                let error =
                    ModelError::new(ModelErrorKind::Server, "The model failed unexpectedly.");
                self.end(&Ending::Failed(error), &Usage::new(0, 0, 0));
            }
        });
    }

    async fn run(&self, place: Place) {
        let Some((cancel, expires_at)) = self.with(|thread, id| {
            let state = thread.runs.get(id)?;
            Some((state.cancel.clone(), state.run.expires_at.unwrap_or_default()))
        }) else {
            return;
        };
        let mut answer = Answer::default();
        let ending = tokio::select! {
            biased;
            () = self.shared.closing.cancelled() => return,
            () = cancel.cancelled() => Some(Ending::Cancelled),
            () = self.shared.clock.sleep_until(expires_at) => Some(Ending::Expired),
            ending = self.work(&mut answer, place) => ending,
        };
        match ending {
            Some(ending) => {
                let usage = self.count(&answer);
                self.end(&ending, &usage);
            }
            None => self.wait_for_outputs(&answer, expires_at).await,
        }
    }

    /// Works until the answer is complete: to an ending, or to none when outputs are needed.
    async fn work(&self, answer: &mut Answer, place: Place) -> Option<Ending> {
        let _turn = place.turn().await;
        let request = match self.begin() {
            Err(ending) => return Some(ending),
            Ok(request) if request.max_completion_tokens == Some(0) => {
                return Some(Ending::Incomplete(RunIncompleteReason::MaxCompletionTokens));
            }
            Ok(request) => request,
        };
        let offered: Vec<String> = request.tools.iter().map(|tool| tool.name.clone()).collect();
        let mut patience = PATIENCE;
        let mut model = self.shared.model.respond(request);
        while let Some(event) = model.next().await {
            // A model that is always ready must let a cancel and the expiry in.
            tokio::task::consume_budget().await;
            if let Err(error) = event.and_then(|event| answer.take(self, &offered, event)) {
                return Some(Ending::Failed(error));
            }
            if let Some(log) = &self.log {
                log.room(&mut patience).await;
            }
        }
        if let Some(ending) = answer.cut() {
            return Some(ending);
        }
        if !answer.has_calls() {
            return Some(Ending::Completed);
        }
        answer.close_message(self);
        None
    }

    /// Puts the run in progress, and makes of it what the model is asked.
    fn begin(&self) -> Result<ModelRequest, Ending> {
        let now = self.shared.clock.now();
        let begun = self.with(|thread, id| {
            let state = thread.runs.get_mut(id)?;
            transition(&mut state.run, RunStatus::InProgress, now).ok()?;
            self.tell(|| StreamEvent::RunInProgress(Box::new(state.run.clone())));
            Some(prompt::request(state, &thread.messages, self.shared.context_tokens))
        });
        // What cannot begin was stopped before.
        begun
            .ok_or(Ending::Cancelled)?
            .map_err(|_| Ending::Incomplete(RunIncompleteReason::MaxPromptTokens))
    }

    /// Adds what the answer cost to the run's usage.
    fn count(&self, answer: &Answer) -> Usage {
        let usage = answer.usage();
        self.with(|thread, id| {
            let state = thread.runs.get_mut(id)?;
            state.used = Usage::new(
                state.used.completion_tokens + usage.completion_tokens,
                state.used.prompt_tokens + usage.prompt_tokens,
                state.used.total_tokens + usage.total_tokens,
            );
            Some(())
        });
        answer.open_step_usage()
    }

    fn end(&self, ending: &Ending, open_usage: &Usage) {
        let now = self.shared.clock.now();
        let ended = self.with(|thread, id| {
            // Once outputs have come, the end is for the next leg to tell.
            let state = thread.runs.get_mut(id).filter(|state| state.leg == self.number)?;
            let (status, events) =
                ending::end(state, &mut thread.messages, ending, open_usage, now).ok()?;
            events.into_iter().for_each(|event| self.tell(|| event));
            self.tell(|| StreamEvent::Done);
            thread.active = None;
            Some((status, now - state.run.created_at, state.used.clone()))
        });
        let Some((status, seconds, used)) = ended else { return };
        self.shared.metrics.run_ended(status, seconds, &used);
        tracing::info!(
            target: "runstep_server::run",
            run_id = self.run_id,
            %status,
            seconds,
            prompt_tokens = used.prompt_tokens,
            completion_tokens = used.completion_tokens,
            "ended"
        );
        if let Some(log) = &self.log {
            self.shared.kept.keep(Arc::clone(log));
        }
    }

    /// Asks for outputs and waits until they come, or a cancel, or the expiry.
    async fn wait_for_outputs(&self, answer: &Answer, expires_at: i64) {
        let open_usage = self.count(answer);
        let (waiting, resumed) = oneshot::channel();
        let now = self.shared.clock.now();
        let asked = self.with(|thread, id| {
            let state = thread.runs.get_mut(id)?;
            transition(&mut state.run, RunStatus::RequiresAction, now).ok()?;
            let step = answer.calls_step().and_then(|step| state.steps.get(step));
            state.run.required_action = Some(objects::required_action(step));
            state.waiting_step_usage = Some(open_usage.clone());
            state.waiting = Some(waiting);
            self.tell(|| StreamEvent::RunRequiresAction(Box::new(state.run.clone())));
            self.tell(|| StreamEvent::Done);
            Some(())
        });
        if asked.is_none() {
            return self.end(&Ending::Cancelled, &open_usage);
        }
        let _counted = Counted::by(&self.shared.metrics.runs_waiting);
        // Any number of runs may wait, and each keeps its events meanwhile.
        let mut kept = self.shared.storage.charge();
        kept.add(self.log.as_ref().map_or(0, |log| log.bytes()));
        tokio::select! {
            biased;
            () = self.shared.closing.cancelled() => {}
            // Gone: a cancel came, or outputs and with them another leg, which will end the run.
            _ = resumed => self.end(&Ending::Cancelled, &open_usage),
            () = self.shared.clock.sleep_until(expires_at) => {
                self.end(&Ending::Expired, &open_usage);
            }
        }
    }

    /// Tells of something, to whoever listens. The thread is locked meanwhile, so that all is told
    /// in the order in which it happened.
    pub(super) fn tell(&self, event: impl FnOnce() -> StreamEvent) {
        if let Some(log) = &self.log {
            log.push(&event());
        }
    }

    /// Changes the thread, and in it the run of this id, with the lock held.
    fn with<R>(&self, change: impl FnOnce(&mut ThreadState, &str) -> Option<R>) -> Option<R> {
        change(&mut self.thread.lock(), &self.run_id)
    }

    /// Changes the thread for an answer, which goes nowhere once the run is to stop.
    pub(super) fn while_in_progress<R>(
        &self,
        change: impl FnOnce(&mut OnThread<'_>) -> Option<R>,
    ) -> Option<R> {
        self.with(|thread, id| {
            let ThreadState { runs, messages, charge, .. } = thread;
            let run = runs.get_mut(id)?;
            if run.run.status != RunStatus::InProgress {
                return None;
            }
            change(&mut OnThread { run, messages, charge })
        })
    }
}

/// What an answer changes of a thread.
pub(super) struct OnThread<'a> {
    pub(super) run: &'a mut RunState,
    pub(super) messages: &'a mut Ordered<Message>,
    pub(super) charge: &'a mut Charge,
}
