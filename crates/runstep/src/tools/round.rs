//! One round: all calls that a run requires at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use runstep_api::types::{RequiredFunctionToolCall, Run, ToolOutput};
use sync_wrapper::SyncWrapper;
use tokio::time::Instant;

use super::context::ToolContext;
use super::error::ToolError;
use super::event::ToolEvent;
use super::function::Function;
use super::output::denied_output;
use super::settings::{ApprovalHook, ToolLoopSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::run_ref::RunRef;
use crate::suspended::{Approval, PendingCall, ResumedRound, SuspendedRun};

/// Executes the calls concurrently, and collects an output for each.
///
/// The approval hook is called for one call at a time, in the order of the calls, so that a person
/// at a terminal sees one question at a time.
pub(super) struct Round {
    settings: ToolLoopSettings,
    deadline: Instant,
    calls: Vec<PendingCall>,
    states: Vec<CallState>,
    /// Decisions that were made before the round started, by call id.
    decisions: HashMap<String, Approval>,
    /// The positions of the calls that have not started.
    waiting: VecDeque<usize>,
    /// Whether the approval hook is running.
    is_deciding: bool,
    steps: SyncWrapper<FuturesUnordered<Pin<Box<dyn Future<Output = Step> + Send>>>>,
}

/// The state of a call.
#[derive(Clone, Debug)]
enum CallState {
    Pending,
    Output(String),
    Deferred,
}

/// The result of a round.
pub(super) enum RoundEnd {
    /// One output per call.
    Outputs(Vec<ToolOutput>),
    /// Some calls were deferred.
    Suspended(SuspendedRun),
}

type Decision = std::result::Result<Approval, ToolError>;

/// A completed step of a call, with the position of the call.
enum Step {
    Decided(usize, Decision),
    Called(usize, std::result::Result<String, ToolError>, Duration),
}

impl Round {
    /// Creates a round from the calls of a run. Duplicate ids are executed once.
    pub(super) fn new(
        settings: ToolLoopSettings,
        run: &Run,
        calls: &[&RequiredFunctionToolCall],
        deadline: Instant,
    ) -> Self {
        let mut ids = HashSet::new();
        let calls: Vec<PendingCall> = calls
            .iter()
            .filter(|call| ids.insert(call.id.as_str()))
            .map(|call| PendingCall {
                thread_id: run.thread_id.clone(),
                run_id: run.id.clone(),
                id: call.id.clone(),
                name: call.function.name.clone(),
                arguments: call.function.arguments.clone(),
            })
            .collect();
        Self {
            settings,
            deadline,
            states: vec![CallState::Pending; calls.len()],
            decisions: HashMap::new(),
            waiting: (0..calls.len()).collect(),
            calls,
            is_deciding: false,
            steps: SyncWrapper::new(FuturesUnordered::new()),
        }
    }

    /// Applies what was decided while the round was suspended.
    pub(super) fn resumed(mut self, resumed: ResumedRound) -> Self {
        for output in resumed.outputs {
            let id = output.tool_call_id.unwrap_or_default();
            let index = self.calls.iter().position(|call| call.id == id);
            if let Some(state) = index.and_then(|index| self.states.get_mut(index)) {
                *state = CallState::Output(output.output.unwrap_or_default());
            }
        }
        let decisions = resumed.calls.into_iter().map(|(call, approval)| (call.id, approval));
        self.decisions = decisions.collect();
        let is_pending =
            |index: &usize| matches!(self.states.get(*index), Some(CallState::Pending));
        self.waiting.retain(is_pending);
        self
    }

    /// Returns the next event, or `None` once every call has an output or was deferred.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<ToolEvent>> {
        loop {
            if let Some(event) = self.start_next() {
                return Poll::Ready(Some(event));
            }
            let Some(step) = ready!(self.steps.get_mut().poll_next_unpin(context)) else {
                return Poll::Ready(None);
            };
            let event = match step {
                Step::Decided(index, decision) => {
                    self.is_deciding = false;
                    self.on_decision(index, decision)
                }
                Step::Called(index, Ok(output), elapsed) => {
                    let call = self.finish(index, output.clone());
                    call.map(|call| ToolEvent::Finished { call, output, elapsed })
                }
                Step::Called(index, Err(error), elapsed) => self.fail(index, error, elapsed),
            };
            if event.is_some() {
                return Poll::Ready(event);
            }
        }
    }

    /// Returns one output per call, in the order of the calls, unless calls were deferred. Returns an
    /// error if an output is missing.
    pub(super) fn into_end(self, run: &Run, rounds: u32) -> Result<RoundEnd> {
        let (mut outputs, mut calls) = (Vec::new(), Vec::new());
        for (call, state) in self.calls.into_iter().zip(self.states) {
            match state {
                CallState::Output(output) => {
                    outputs.push(ToolOutput::default().tool_call_id(call.id).output(output));
                }
                CallState::Deferred => calls.push(call),
                CallState::Pending => {
                    let message = "a tool call has no output; nothing was submitted";
                    return Err(Error::new(ErrorKind::Tool, message));
                }
            }
        }
        if calls.is_empty() {
            return Ok(RoundEnd::Outputs(outputs));
        }
        let run_ref = RunRef::from(run);
        Ok(RoundEnd::Suspended(SuspendedRun { run_ref, calls, outputs, rounds }))
    }

    /// Starts the next call if the concurrency limit allows it.
    fn start_next(&mut self) -> Option<ToolEvent> {
        while !self.is_deciding && self.steps.get_mut().len() < self.settings.concurrency {
            let index = self.waiting.pop_front()?;
            let call = self.calls.get(index)?;
            if let Some(approval) = self.decisions.remove(&call.id) {
                return self.on_decision(index, Ok(approval));
            }
            if self.settings.tools.has_no_handler(&call.name) {
                return self.defer(index);
            }
            let function = match self.settings.tools.find(&call.name, &call.id) {
                Ok(function) => Arc::clone(function),
                Err(error) => return self.fail(index, error, Duration::ZERO),
            };
            match &self.settings.approval_hook {
                None => return self.start(index, function),
                Some(hook) => {
                    let decision = decide(Arc::clone(hook), call.clone(), self.deadline);
                    self.is_deciding = true;
                    self.steps.get_mut().push(Box::pin(
                        decision.map(move |decision| Step::Decided(index, decision)),
                    ));
                }
            }
        }
        None
    }

    fn on_decision(&mut self, index: usize, decision: Decision) -> Option<ToolEvent> {
        match decision {
            Ok(Approval::Deny(reason)) => {
                let call = self.finish(index, denied_output(&reason))?;
                return Some(ToolEvent::Denied { call, reason });
            }
            Ok(Approval::Edit(arguments)) => {
                self.calls.get_mut(index)?.arguments = arguments.to_string();
            }
            Ok(Approval::Allow) => {}
            Ok(Approval::Defer) => return self.defer(index),
            Err(error) => return self.fail(index, error, Duration::ZERO),
        }
        let call = self.calls.get(index)?;
        match self.settings.tools.find(&call.name, &call.id) {
            Ok(function) => {
                let function = Arc::clone(function);
                self.start(index, function)
            }
            Err(error) => self.fail(index, error, Duration::ZERO),
        }
    }

    fn start(&mut self, index: usize, function: Arc<Function>) -> Option<ToolEvent> {
        let call = self.calls.get(index)?.clone();
        let context = ToolContext::new(&call.thread_id, &call.run_id, &call.id);
        let (arguments, deadline) = (call.arguments.clone(), Some(self.deadline));
        let started = Instant::now();
        self.steps.get_mut().push(Box::pin(async move {
            let output = function.call(arguments, context, deadline).await;
            Step::Called(index, output, started.elapsed())
        }));
        Some(ToolEvent::Started(call))
    }

    fn fail(&mut self, index: usize, error: ToolError, elapsed: Duration) -> Option<ToolEvent> {
        let call = self.finish(index, error.model_output())?;
        Some(ToolEvent::Failed { call, error, elapsed })
    }

    /// Stores the output of a call.
    fn finish(&mut self, index: usize, output: String) -> Option<PendingCall> {
        *self.states.get_mut(index)? = CallState::Output(output);
        self.calls.get(index).cloned()
    }

    fn defer(&mut self, index: usize) -> Option<ToolEvent> {
        *self.states.get_mut(index)? = CallState::Deferred;
        self.calls.get(index).cloned().map(ToolEvent::Deferred)
    }
}

impl Stream for Round {
    type Item = ToolEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ToolEvent>> {
        self.poll_event(context)
    }
}

async fn decide(hook: Arc<ApprovalHook>, call: PendingCall, deadline: Instant) -> Decision {
    let (name, id) = (call.name.clone(), call.id.clone());
    // Unwind safe: the hook belongs to the caller and shares no state with the round.
    let decision = AssertUnwindSafe(async move { hook(call).await }).catch_unwind();
    match tokio::time::timeout_at(deadline, decision).await {
        Ok(Ok(decision)) => Ok(decision),
        Ok(Err(panic)) => Err(ToolError::panic(&name, &id, panic.as_ref())),
        Err(_) => Err(ToolError::deadline_exceeded(&name, &id)),
    }
}
