//! One leg of a run: from where it is queued to where it ends or requires action. Each leg is a
//! task of its own, which goes on whether or not somebody listens to its events.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _};
use runstep_api::types::{
    Message, RequiredAction, RequiredFunction, RequiredFunctionToolCall, RequiredToolCall,
    RequiredToolOutputs, Run, RunIncompleteReason, RunStatus, StepDetails, StreamEvent,
    SubmitToolOutputsAction, ToolCall, Usage,
};
use tokio::sync::{mpsc, oneshot};

use super::answer::Answer;
use super::ending::{self, Ending};
use super::lifecycle::transition;
use super::{Engine, prompt};
use crate::model::{ModelError, ModelErrorKind, ModelRequest};
use crate::store::{Ordered, RunState, ThreadHandle, ThreadState};

/// Where a leg's events go, if anybody wants them. A listener that is slow slows the leg down; one
/// that has gone is forgotten.
pub(super) struct Events(Option<mpsc::Sender<StreamEvent>>);

impl Events {
    pub(super) fn new(listener: Option<mpsc::Sender<StreamEvent>>) -> Self {
        Self(listener)
    }

    pub(super) async fn emit(&mut self, event: impl FnOnce() -> StreamEvent) {
        if let Some(listener) = &self.0
            && listener.send(event()).await.is_err()
        {
            self.0 = None;
        }
    }
}

/// What a leg works on.
pub(super) struct Leg {
    pub(super) engine: Arc<Engine>,
    pub(super) thread: ThreadHandle,
    pub(super) run_id: String,
    /// How many times outputs had come before this leg.
    pub(super) number: u64,
    pub(super) events: Events,
}

impl Leg {
    /// Starts the leg as a task, with events that tell how it came to be.
    pub(super) fn spawn(mut self, opening: Vec<StreamEvent>) {
        tokio::spawn(async move {
            // A model that panics must not leave its run in progress for ever.
            let run = AssertUnwindSafe(self.run(opening)).catch_unwind().await;
            if run.is_err() {
                let error =
                    ModelError::new(ModelErrorKind::Server, "The model failed unexpectedly.");
                self.end(&Ending::Failed(error), &Usage::new(0, 0, 0)).await;
            }
        });
    }

    async fn run(&mut self, opening: Vec<StreamEvent>) {
        let Some((cancel, expires_at)) =
            self.with_run(|state, _| (state.cancel.clone(), state.run.expires_at))
        else {
            return;
        };
        let expires = self.engine.clock.instant(expires_at.unwrap_or_default());
        let closing = self.engine.closing.clone();
        let mut answer = Answer::default();
        for event in opening {
            self.events.emit(|| event).await;
        }
        let ending = tokio::select! {
            biased;
            () = closing.cancelled() => return,
            () = cancel.cancelled() => Some(Ending::Cancelled),
            () = tokio::time::sleep_until(expires) => Some(Ending::Expired),
            ending = self.work(&mut answer) => ending,
        };
        match ending {
            Some(ending) => {
                let usage = self.count(&answer);
                self.end(&ending, &usage).await;
            }
            None => self.wait_for_outputs(&answer).await,
        }
    }

    /// Works until the answer is complete: to an ending, or to none when outputs are needed.
    async fn work(&mut self, answer: &mut Answer) -> Option<Ending> {
        let request = match self.begin() {
            Ok((run, request)) => {
                self.events.emit(|| StreamEvent::RunInProgress(run)).await;
                request
            }
            Err(ending) => return Some(ending),
        };
        let request = match request {
            Err(prompt::TooLong) => {
                return Some(Ending::Incomplete(RunIncompleteReason::MaxPromptTokens));
            }
            Ok(request) if request.max_completion_tokens == Some(0) => {
                return Some(Ending::Incomplete(RunIncompleteReason::MaxCompletionTokens));
            }
            Ok(request) => request,
        };
        let offered: Vec<String> = request.tools.iter().map(|tool| tool.name.clone()).collect();
        let mut model = self.engine.model.respond(request);
        while let Some(event) = model.next().await {
            // A model that is always ready must let a cancel and the expiry in.
            tokio::task::consume_budget().await;
            let taken = match event {
                Ok(event) => answer.take(self, &offered, event).await,
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                return Some(Ending::Failed(error));
            }
        }
        if answer.is_cut() {
            return Some(Ending::Incomplete(RunIncompleteReason::MaxCompletionTokens));
        }
        if !answer.has_calls() {
            return Some(Ending::Completed);
        }
        answer.close_message(self).await;
        None
    }

    fn begin(&self) -> Result<(Run, Result<ModelRequest, prompt::TooLong>), Ending> {
        let now = self.engine.clock.now();
        self.with_run(|state, messages| {
            match transition(&mut state.run, RunStatus::InProgress, now) {
                Ok(()) => Ok((state.run.clone(), prompt::request(state, messages))),
                Err(_) => Err(Ending::Cancelled),
            }
        })
        .unwrap_or(Err(Ending::Cancelled))
    }

    /// Adds what the answer cost to the run's usage.
    fn count(&self, answer: &Answer) -> Usage {
        let usage = answer.usage();
        self.with_run(|state, _| {
            state.used = Usage::new(
                state.used.completion_tokens + usage.completion_tokens,
                state.used.prompt_tokens + usage.prompt_tokens,
                state.used.total_tokens + usage.total_tokens,
            );
        });
        answer.open_step_usage()
    }

    async fn end(&mut self, ending: &Ending, open_usage: &Usage) {
        let now = self.engine.clock.now();
        let ended = {
            let mut thread = self.thread.lock();
            let ThreadState { runs, messages, active, .. } = &mut *thread;
            // Once outputs have come, the end is for the next leg to tell.
            let state = runs.get_mut(&self.run_id).filter(|state| state.leg == self.number);
            let ended =
                state.and_then(|state| ending::end(state, messages, ending, open_usage, now).ok());
            if ended.is_some() {
                *active = None;
            }
            ended
        };
        for event in ended.unwrap_or_default() {
            self.events.emit(|| event).await;
        }
    }

    /// Asks for outputs and waits, without listeners, until they come, or a cancel, or the expiry.
    async fn wait_for_outputs(&mut self, answer: &Answer) {
        let open_usage = self.count(answer);
        let (waiting, resumed) = oneshot::channel();
        let now = self.engine.clock.now();
        let asked = self.with_run(|state, _| {
            transition(&mut state.run, RunStatus::RequiresAction, now).ok()?;
            state.run.required_action = Some(required_action(state, answer));
            state.waiting_step_usage = Some(open_usage.clone());
            state.waiting = Some(waiting);
            Some(state.run.clone())
        });
        let Some(run) = asked.flatten() else {
            return self.end(&Ending::Cancelled, &open_usage).await;
        };
        let expires = self.engine.clock.instant(run.expires_at.unwrap_or_default());
        let closing = self.engine.closing.clone();
        // A listener that does not read must not hold up what comes then.
        let telling = async {
            self.events.emit(|| StreamEvent::RunRequiresAction(run.clone())).await;
            self.events = Events::new(None);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = telling => {}
            () = closing.cancelled() => {}
            // Gone: outputs came, and with them another leg; or a cancel did.
            _ = resumed => {
                let cancelling = |state: &mut RunState, _: &mut _| state.run.status == RunStatus::Cancelling;
                if self.with_run(cancelling) == Some(true) {
                    self.end(&Ending::Cancelled, &open_usage).await;
                } else {
                    // A listener that has not read so far is still told what the run waited for.
                    self.events.emit(|| StreamEvent::RunRequiresAction(run)).await;
                }
            }
            () = tokio::time::sleep_until(expires) => {
                self.end(&Ending::Expired, &open_usage).await;
            }
        }
    }

    /// Looks at, or changes, the run and its thread's messages with the thread's lock held.
    pub(super) fn with_run<R>(
        &self,
        change: impl FnOnce(&mut RunState, &mut Ordered<Message>) -> R,
    ) -> Option<R> {
        let mut thread = self.thread.lock();
        let ThreadState { runs, messages, .. } = &mut *thread;
        runs.get_mut(&self.run_id).map(|state| change(state, messages))
    }
}

fn required_action(state: &RunState, answer: &Answer) -> RequiredAction {
    let step = answer.calls_step().and_then(|step| state.steps.get(step));
    let calls = match step.map(|step| &step.step_details) {
        Some(StepDetails::ToolCalls(details)) => details.tool_calls.as_slice(),
        _ => &[],
    };
    let required = calls.iter().filter_map(|call| match call {
        ToolCall::Function(call) => {
            let function =
                RequiredFunction::new(call.function.name.clone(), call.function.arguments.clone());
            Some(RequiredToolCall::Function(RequiredFunctionToolCall::new(
                call.id.clone(),
                function,
            )))
        }
        _ => None,
    });
    let outputs = RequiredToolOutputs::new(required.collect::<Vec<_>>());
    SubmitToolOutputsAction::new(outputs).into()
}
