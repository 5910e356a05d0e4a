//! One round: all calls that a run requires at once.

use std::collections::{HashSet, VecDeque};
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
use super::event::{Approval, PendingCall, ToolEvent};
use super::function::Function;
use super::settings::{ApprovalHook, ToolLoopSettings};
use crate::error::{Error, ErrorKind, Result};

/// Executes the calls concurrently, and collects an output for each.
///
/// The approval hook is called for one call at a time, in the order of the calls, so that a person
/// at a terminal sees one question at a time.
pub(super) struct Round {
    settings: ToolLoopSettings,
    deadline: Instant,
    calls: Vec<PendingCall>,
    outputs: Vec<Option<String>>,
    /// The positions of the calls that have not started.
    waiting: VecDeque<usize>,
    /// Whether the approval hook is running.
    is_deciding: bool,
    steps: SyncWrapper<FuturesUnordered<Pin<Box<dyn Future<Output = Step> + Send>>>>,
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
            outputs: vec![None; calls.len()],
            waiting: (0..calls.len()).collect(),
            calls,
            is_deciding: false,
            steps: SyncWrapper::new(FuturesUnordered::new()),
        }
    }

    /// Returns the next event, or `None` once every call has an output.
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

    /// Returns one output per call, in the order of the calls, or an error if one is missing.
    pub(super) fn into_outputs(self) -> Result<Vec<ToolOutput>> {
        let outputs = self.calls.into_iter().zip(self.outputs).map(|(call, output)| {
            output.map(|output| ToolOutput::default().tool_call_id(call.id).output(output))
        });
        let outputs: Option<Vec<ToolOutput>> = outputs.collect();
        outputs.ok_or_else(|| {
            let message = "a tool call has no output; nothing was submitted";
            Error::new(ErrorKind::Tool, message)
        })
    }

    /// Starts the next call if the concurrency limit allows it.
    fn start_next(&mut self) -> Option<ToolEvent> {
        while !self.is_deciding && self.steps.get_mut().len() < self.settings.concurrency {
            let index = self.waiting.pop_front()?;
            let call = self.calls.get(index)?;
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
                let output = format!("This call was denied: {reason}");
                let call = self.finish(index, output)?;
                return Some(ToolEvent::Denied { call, reason });
            }
            Ok(Approval::Edit(arguments)) => {
                self.calls.get_mut(index)?.arguments = arguments.to_string();
            }
            Ok(Approval::Allow) => {}
            Err(error) => return self.fail(index, error, Duration::ZERO),
        }
        let call = self.calls.get(index)?;
        let function = self.settings.tools.find(&call.name, &call.id).ok().cloned()?;
        self.start(index, function)
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
        *self.outputs.get_mut(index)? = Some(output);
        self.calls.get(index).cloned()
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
