//! Executions of runs. Each is a task that takes a run from `queued` to its end, or until
//! tool outputs are required, whether or not clients read its events.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{FutureExt as _, StreamExt as _};
use runstep_api::types::{RunIncompleteReason, RunStatus, StreamEvent, Usage};

use super::admission::QueuePermit;
use super::context::EngineContext;
use super::finish::{self, Outcome};
use super::lifecycle::{is_terminal, transition};
use super::live_runs::LiveRun;
use super::output::ModelOutput;
use super::run_state::RunState;
use super::run_writer::RunWriter;
use super::{objects, prompt};
use crate::events::SLOW_SUBSCRIBER_BUDGET;
use crate::model::{ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelStream};
use crate::store::RunKey;

/// How many events of a model that is always ready are taken before the changes are stored.
const MAX_READY_EVENTS: usize = 64;

/// One execution of a run.
pub(super) struct RunExecution {
    writer: RunWriter,
    output: ModelOutput,
    /// How many events the model has returned without a pause.
    ready_events: usize,
}

/// How an execution ends.
enum ExecutionEnd {
    Finished(Outcome),
    RequiresAction,
    /// The server is shutting down.
    Stopped,
}

impl RunExecution {
    pub(super) fn new(
        context: &Arc<EngineContext>,
        key: RunKey,
        live: Arc<LiveRun>,
        state: RunState,
    ) -> Self {
        let writer = RunWriter::new(context, key, live, state);
        Self { writer, output: ModelOutput::default(), ready_events: 0 }
    }

    /// Executes the run. Belongs into a task, because nothing else executes the run while this node
    /// has claimed it.
    pub(super) async fn run(mut self, permit: QueuePermit) {
        let _active = permit.active();
        // If the model panics, the run must not stay in progress.
        let end = match AssertUnwindSafe(self.execute(permit)).catch_unwind().await {
            Ok(end) => end,
            Err(_) => {
                let message = "The model failed unexpectedly.";
                ExecutionEnd::Finished(Outcome::Failed(server_error(message)))
            }
        };
        self.end(end).await;
    }

    /// Continues a run whose node has stopped.
    pub(super) fn spawn_recovered(self, permit: QueuePermit) {
        let status = self.writer.state.run.status.clone();
        let has_output = self.writer.state.has_output();
        match status {
            RunStatus::Cancelling => {
                tokio::spawn(self.finish_in_status(status, Outcome::Cancelled));
            }
            RunStatus::InProgress if has_output => {
                let error = server_error("The server stopped while the model was generating.");
                tokio::spawn(self.finish_in_status(status, Outcome::Failed(error)));
            }
            _ => {
                tokio::spawn(self.run(permit));
            }
        }
    }

    /// Ends a run that does not execute, if it still has this status.
    pub(super) async fn finish_in_status(mut self, status: RunStatus, outcome: Outcome) {
        let is_cancelling = status == RunStatus::Cancelling;
        if is_cancelling {
            self.writer.emit_run();
        }
        let usage = Usage::new(0, 0, 0);
        self.finish(&outcome, &usage, |run| *run == status).await;
        self.close();
    }

    async fn execute(&mut self, permit: QueuePermit) -> ExecutionEnd {
        let context = Arc::clone(&self.writer.context);
        let cancel = self.writer.live.cancel.clone();
        let expires_at = self.writer.state.run.expires_at.unwrap_or_default();
        if context.stop_runs.is_cancelled() {
            return ExecutionEnd::Stopped;
        }
        if cancel.is_cancelled() {
            return ExecutionEnd::Finished(Outcome::Cancelled);
        }
        if context.clock.now() >= expires_at {
            return ExecutionEnd::Finished(Outcome::Expired);
        }
        let mut generate = pin!(self.generate(permit));
        // A model that is ready at once needs no timer.
        if let Some(end) = generate.as_mut().now_or_never() {
            return end;
        }
        tokio::select! {
            biased;
            () = context.stop_runs.cancelled() => ExecutionEnd::Stopped,
            () = cancel.cancelled() => ExecutionEnd::Finished(Outcome::Cancelled),
            () = context.clock.sleep_until(expires_at) => ExecutionEnd::Finished(Outcome::Expired),
            end = generate => end,
        }
    }

    /// Waits for admission and applies the model's output.
    async fn generate(&mut self, permit: QueuePermit) -> ExecutionEnd {
        let _permit = permit.wait().await;
        let request = match self.begin().await {
            Ok(request) if request.max_completion_tokens == Some(0) => {
                let reason = RunIncompleteReason::MaxCompletionTokens;
                return ExecutionEnd::Finished(Outcome::Incomplete(reason));
            }
            Ok(request) => request,
            Err(outcome) => return ExecutionEnd::Finished(outcome),
        };
        let functions: Vec<String> = request.tools.iter().map(|tool| tool.name.clone()).collect();
        let mut slow_subscriber_budget = SLOW_SUBSCRIBER_BUDGET;
        let metrics = Arc::clone(&self.writer.context.metrics);
        let mut started = Some(Instant::now());
        let mut events = self.writer.context.model.respond(request);
        while let Some(event) = self.next_event(&mut events).await {
            match (&event, started.take()) {
                (Ok(_), Some(started)) => metrics.record_first_event(started.elapsed()),
                (Err(error), _) => metrics.record_model_error(error_kind(error)),
                _ => {}
            }
            // Lets a cancellation and the expiry interrupt a model that is always ready.
            tokio::task::consume_budget().await;
            if let Ok(event) = &event {
                self.writer.context.record_files(&self.writer.key.namespace, event).await;
            }
            let applied =
                event.and_then(|event| self.output.apply(&mut self.writer, &functions, event));
            if let Err(error) = applied {
                return ExecutionEnd::Finished(Outcome::Failed(error));
            }
            let log = Arc::clone(&self.writer.live.log);
            log.wait_for_slow_subscribers(&mut slow_subscriber_budget).await;
        }
        if let Some(outcome) = self.output.cut_off() {
            return ExecutionEnd::Finished(outcome);
        }
        if !self.output.has_calls() {
            return ExecutionEnd::Finished(Outcome::Completed);
        }
        self.output.complete_message(&mut self.writer);
        self.output.fail_open_calls(&mut self.writer);
        ExecutionEnd::RequiresAction
    }

    /// Returns the next event of the model. Stores changes while the model generates.
    async fn next_event(
        &mut self,
        events: &mut ModelStream,
    ) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            while self.writer.is_full() {
                self.writer.start_flush();
                self.writer.drain().await;
            }
            // A response that is ready at once is stored in one transaction with its end.
            if self.ready_events < MAX_READY_EVENTS {
                self.ready_events += 1;
                if let Some(event) = events.next().now_or_never() {
                    return event;
                }
            }
            self.ready_events = 0;
            self.writer.start_flush();
            let flush_time = self.writer.flush_time();
            let due = async {
                match flush_time {
                    Some(time) => tokio::time::sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            let is_in_flight = self.writer.is_in_flight();
            tokio::select! {
                biased;
                () = self.writer.flushed(), if is_in_flight => {}
                event = events.next() => return event,
                () = due, if !is_in_flight => {}
            }
        }
    }

    /// Puts the run in progress and builds the request to the model.
    async fn begin(&mut self) -> Result<ModelRequest, Outcome> {
        let writer = &mut self.writer;
        if writer.state.run.status != RunStatus::InProgress {
            writer.transition(RunStatus::InProgress);
            writer.emit_run();
        }
        prompt::request(&writer.context, &writer.key, &mut writer.state).await
    }

    async fn end(mut self, end: ExecutionEnd) {
        let usage = self.record_usage();
        match end {
            ExecutionEnd::Stopped => self.pause(&usage).await,
            ExecutionEnd::RequiresAction => self.require_action(&usage).await,
            ExecutionEnd::Finished(outcome) => {
                if matches!(outcome, Outcome::Cancelled) {
                    self.writer.drain().await;
                    self.writer.reload().await;
                }
                self.finish(&outcome, &usage, |_| true).await;
            }
        }
        self.close();
    }

    fn close(self) {
        let RunWriter { context, key, live, .. } = &self.writer;
        context.live_runs.remove(key, live);
        live.log.close();
    }

    /// Adds the usage of the model's response to the run's. Returns the open step's share.
    fn record_usage(&mut self) -> Usage {
        let (usage, total) = (self.output.usage(), self.writer.state.hidden.usage());
        self.writer.state.hidden.usage = Some(total + usage);
        self.output.open_step_usage()
    }

    /// Ends the run, if its status is accepted.
    async fn finish(
        &mut self,
        outcome: &Outcome,
        usage: &Usage,
        accepts: impl Fn(&RunStatus) -> bool,
    ) {
        let now = self.writer.context.clock.now();
        let finished = self
            .writer
            .settle(|state| {
                if !accepts(&state.run.status) {
                    return None;
                }
                let mut events = finish::finish(state, outcome, usage, now).ok()?;
                events.push(StreamEvent::Done.into());
                Some(events)
            })
            .await;
        if !finished {
            return;
        }
        let RunWriter { context, key, state, .. } = &self.writer;
        let (run, usage) = (&state.run, state.hidden.usage());
        let seconds = now - run.created_at.unwrap_or(now);
        context.metrics.record_run_ended(&run.status, seconds, &usage);
        tracing::info!(
            target: "runstep_server::run",
            run_id = key.run,
            status = %run.status,
            seconds,
            prompt_tokens = usage.prompt_tokens,
            completion_tokens = usage.completion_tokens,
            "run ended"
        );
    }

    /// Leaves the run for the time after the shutdown. What the model has generated is closed, so
    /// that the request to it can be repeated.
    async fn pause(&mut self, usage: &Usage) {
        let now = self.writer.context.clock.now();
        let outcome = Outcome::Failed(server_error("The server was shut down."));
        self.writer
            .settle(|state| {
                let mut usage = usage.clone();
                let events = finish::close_steps(state, &outcome, now, || {
                    std::mem::replace(&mut usage, Usage::new(0, 0, 0))
                });
                state.hidden.steps_before_request = state.steps.len();
                (!is_terminal(&state.run.status)).then_some(events)
            })
            .await;
    }

    /// Requires tool outputs. The execution ends then: the next one starts when they are submitted.
    async fn require_action(&mut self, open_usage: &Usage) {
        let now = self.writer.context.clock.now();
        let calls_step = self.output.calls_step().map(str::to_owned);
        let settled = self
            .writer
            .settle(|state| {
                transition(state.run.change(), RunStatus::RequiresAction, now).ok()?;
                let step = calls_step.as_deref().and_then(|id| state.step(id));
                let action = objects::required_action(step);
                state.run.change().required_action = Some(action);
                state.hidden.waiting_step_usage = Some(open_usage.clone());
                Some(vec![state.event(), StreamEvent::Done.into()])
            })
            .await;
        if settled {
            let context = &self.writer.context;
            context.expiry.expect_at(self.writer.state.run.expires_at.unwrap_or_default());
        } else if !self.writer.is_lost() {
            self.finish(&Outcome::Cancelled, open_usage, |_| true).await;
        }
    }
}

pub(super) fn server_error(message: &str) -> ModelError {
    ModelError::new(ModelErrorKind::Server, message)
}

/// Returns the kind of an error as metrics have it.
fn error_kind(error: &ModelError) -> &'static str {
    match error.kind {
        ModelErrorKind::RateLimit => "rate_limit",
        ModelErrorKind::InvalidPrompt => "invalid_prompt",
        ModelErrorKind::Server => "server",
    }
}
