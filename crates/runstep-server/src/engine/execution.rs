//! Executions of runs. Each is a task that takes a run from `queued` to its end, or until
//! tool outputs are submitted, whether or not clients read its events.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _};
use runstep_api::types::{RunIncompleteReason, RunStatus, StreamEvent, Usage};
use tokio::sync::oneshot;

use super::admission::QueuePermit;
use super::finish::{self, Outcome};
use super::lifecycle::transition;
use super::output::ModelOutput;
use super::run_handle::RunHandle;
use super::{objects, prompt};
use crate::events::SLOW_SUBSCRIBER_BUDGET;
use crate::metrics::GaugeGuard;
use crate::model::{ModelError, ModelErrorKind, ModelRequest};

/// One execution of a run.
pub(super) struct RunExecution {
    handle: RunHandle,
    /// See [`RunState::execution`](crate::store::RunState::execution).
    number: u64,
}

impl RunExecution {
    pub(super) fn new(handle: RunHandle, number: u64) -> Self {
        Self { handle, number }
    }

    /// Starts the execution as a task.
    pub(super) fn spawn(self, permit: QueuePermit) {
        tokio::spawn(async move {
            // If the model panics, the run must not stay in progress.
            if AssertUnwindSafe(self.execute(permit)).catch_unwind().await.is_err() {
                let error =
                    ModelError::new(ModelErrorKind::Server, "The model failed unexpectedly.");
                self.finish(&Outcome::Failed(error), &Usage::new(0, 0, 0));
            }
        });
    }

    async fn execute(&self, permit: QueuePermit) {
        let Some((cancel, expires_at)) = self.handle.with_thread(|thread, id| {
            let state = thread.runs.get(id)?;
            Some((state.cancel.clone(), state.run.expires_at.unwrap_or_default()))
        }) else {
            return;
        };
        let mut output = ModelOutput::default();
        let outcome = tokio::select! {
            biased;
            () = self.handle.context.stop_runs.cancelled() => return,
            () = cancel.cancelled() => Some(Outcome::Cancelled),
            () = self.handle.context.clock.sleep_until(expires_at) => Some(Outcome::Expired),
            outcome = self.generate(&mut output, permit) => outcome,
        };
        match outcome {
            Some(outcome) => {
                let usage = self.record_usage(&output);
                self.finish(&outcome, &usage);
            }
            None => self.wait_for_outputs(&output, expires_at).await,
        }
    }

    /// Waits for admission and applies the model's output. Returns `None` if the run requires tool
    /// outputs.
    async fn generate(&self, output: &mut ModelOutput, permit: QueuePermit) -> Option<Outcome> {
        let _permit = permit.wait().await;
        let request = match self.begin() {
            Err(outcome) => return Some(outcome),
            Ok(request) if request.max_completion_tokens == Some(0) => {
                return Some(Outcome::Incomplete(RunIncompleteReason::MaxCompletionTokens));
            }
            Ok(request) => request,
        };
        let functions: Vec<String> = request.tools.iter().map(|tool| tool.name.clone()).collect();
        let mut slow_subscriber_budget = SLOW_SUBSCRIBER_BUDGET;
        let mut events = self.handle.context.model.respond(request);
        while let Some(event) = events.next().await {
            // Lets a cancellation and the expiry interrupt a model that is always ready.
            tokio::task::consume_budget().await;
            let applied = event.and_then(|event| output.apply(&self.handle, &functions, event));
            if let Err(error) = applied {
                return Some(Outcome::Failed(error));
            }
            if let Some(log) = &self.handle.log {
                log.wait_for_slow_subscribers(&mut slow_subscriber_budget).await;
            }
        }
        if let Some(outcome) = output.cut_off() {
            return Some(outcome);
        }
        if !output.has_calls() {
            return Some(Outcome::Completed);
        }
        output.complete_message(&self.handle);
        None
    }

    /// Puts the run in progress and builds the request to the model.
    fn begin(&self) -> Result<ModelRequest, Outcome> {
        let context = &self.handle.context;
        let now = context.clock.now();
        let request = self.handle.with_thread(|thread, id| {
            let state = thread.runs.get_mut(id)?;
            transition(&mut state.run, RunStatus::InProgress, now).ok()?;
            self.handle.emit(|| StreamEvent::RunInProgress(Box::new(state.run.clone())));
            Some(prompt::request(state, &thread.messages, context.context_tokens))
        });
        // A run that cannot begin was cancelled before.
        request
            .ok_or(Outcome::Cancelled)?
            .map_err(|_| Outcome::Incomplete(RunIncompleteReason::MaxPromptTokens))
    }

    /// Adds the usage of the model's response to the run's. Returns the open step's share.
    fn record_usage(&self, output: &ModelOutput) -> Usage {
        let usage = output.usage();
        self.handle.with_thread(|thread, id| {
            let state = thread.runs.get_mut(id)?;
            let sum = |known: Option<u64>, more: Option<u64>| {
                known.unwrap_or_default() + more.unwrap_or_default()
            };
            state.usage = Usage::new(
                sum(state.usage.completion_tokens, usage.completion_tokens),
                sum(state.usage.prompt_tokens, usage.prompt_tokens),
                sum(state.usage.total_tokens, usage.total_tokens),
            );
            Some(())
        });
        output.open_step_usage()
    }

    fn finish(&self, outcome: &Outcome, open_usage: &Usage) {
        let context = &self.handle.context;
        let now = context.clock.now();
        let finished = self.handle.with_thread(|thread, id| {
            // After tool outputs were submitted, only the next execution may end the run.
            let state =
                thread.runs.get_mut(id).filter(|state| state.execution_number == self.number)?;
            let events =
                finish::finish(state, &mut thread.messages, outcome, open_usage, now).ok()?;
            events.into_iter().for_each(|event| self.handle.emit(|| event));
            self.handle.emit(|| StreamEvent::Done);
            thread.active_run_id = None;
            let run = &state.run;
            Some((run.status.clone(), now - run.created_at.unwrap_or(now), state.usage.clone()))
        });
        let Some((status, seconds, usage)) = finished else { return };
        context.metrics.record_run_ended(&status, seconds, &usage);
        tracing::info!(
            target: "runstep_server::run",
            run_id = self.handle.run_id,
            %status,
            seconds,
            prompt_tokens = usage.prompt_tokens,
            completion_tokens = usage.completion_tokens,
            "run ended"
        );
        if let Some(log) = &self.handle.log {
            context.retained_logs.insert(Arc::clone(log));
        }
    }

    /// Requires tool outputs, and waits until they are submitted, or the run is cancelled or
    /// expires.
    async fn wait_for_outputs(&self, output: &ModelOutput, expires_at: i64) {
        let context = &self.handle.context;
        let open_usage = self.record_usage(output);
        let (end_wait, wait_ended) = oneshot::channel();
        let now = context.clock.now();
        let requires_action = self.handle.with_thread(|thread, id| {
            let state = thread.runs.get_mut(id)?;
            transition(&mut state.run, RunStatus::RequiresAction, now).ok()?;
            let step = output.calls_step().and_then(|step| state.steps.get(step));
            state.run.required_action = Some(objects::required_action(step));
            state.waiting_step_usage = Some(open_usage.clone());
            state.end_wait = Some(end_wait);
            self.handle.emit(|| StreamEvent::RunRequiresAction(Box::new(state.run.clone())));
            self.handle.emit(|| StreamEvent::Done);
            Some(())
        });
        if requires_action.is_none() {
            return self.finish(&Outcome::Cancelled, &open_usage);
        }
        let _gauge = GaugeGuard::new(&context.metrics.runs_requiring_action);
        // The number of waiting runs is not limited, so the quota covers their events.
        let mut charge = context.quota.charge();
        charge.add(self.handle.log.as_ref().map_or(0, |log| log.bytes()));
        tokio::select! {
            biased;
            () = context.stop_runs.cancelled() => {}
            // Either the run is cancelled, or outputs started another execution, which then is the
            // one that may end the run.
            _ = wait_ended => self.finish(&Outcome::Cancelled, &open_usage),
            () = context.clock.sleep_until(expires_at) => {
                self.finish(&Outcome::Expired, &open_usage);
            }
        }
    }
}
