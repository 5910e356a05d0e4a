//! One round: the calls that a run asks for at once.

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
use tokio::time::Instant;

use super::context::ToolContext;
use super::error::ToolError;
use super::event::{Approval, FunctionCall, ToolEvent};
use super::function::Function;
use super::settings::{Approve, Settings};
use crate::error::{Error, ErrorKind, Result};

/// Carries out the calls, several at once, and collects an output for each.
///
/// Hooks are asked one after the other, in the order of the calls, so that a person at a terminal
/// is not asked two things at once.
pub(super) struct Round {
    settings: Settings,
    until: Instant,
    calls: Vec<FunctionCall>,
    outputs: Vec<Option<String>>,
    /// The calls that nothing has been done about yet, by their places.
    waiting: VecDeque<usize>,
    /// Whether a hook is being asked.
    asking: bool,
    steps: FuturesUnordered<Pin<Box<dyn Future<Output = Step> + Send>>>,
}

type Decision = std::result::Result<Approval, ToolError>;

/// What is done about a call, by the call's place.
enum Step {
    Decided(usize, Decision),
    Called(usize, std::result::Result<String, ToolError>, Duration),
}

impl Round {
    /// The calls of a run, each id once.
    pub(super) fn new(
        settings: Settings,
        run: &Run,
        calls: &[&RequiredFunctionToolCall],
        until: Instant,
    ) -> Self {
        let mut seen = HashSet::new();
        let calls: Vec<FunctionCall> = calls
            .iter()
            .filter(|call| seen.insert(call.id.as_str()))
            .map(|call| FunctionCall {
                thread_id: run.thread_id.clone(),
                run_id: run.id.clone(),
                id: call.id.clone(),
                name: call.function.name.clone(),
                arguments: call.function.arguments.clone(),
            })
            .collect();
        Self {
            settings,
            until,
            outputs: vec![None; calls.len()],
            waiting: (0..calls.len()).collect(),
            calls,
            asking: false,
            steps: FuturesUnordered::new(),
        }
    }

    /// What becomes of the calls; it ends once every call has an output.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<ToolEvent>> {
        loop {
            if let Some(event) = self.admit() {
                return Poll::Ready(Some(event));
            }
            let Some(step) = ready!(self.steps.poll_next_unpin(context)) else {
                return Poll::Ready(None);
            };
            let event = match step {
                Step::Decided(place, decision) => {
                    self.asking = false;
                    self.decided(place, decision)
                }
                Step::Called(place, Ok(output), elapsed) => {
                    let call = self.finish(place, output.clone());
                    call.map(|call| ToolEvent::Finished { call, output, elapsed })
                }
                Step::Called(place, Err(error), elapsed) => self.failed(place, error, elapsed),
            };
            if event.is_some() {
                return Poll::Ready(event);
            }
        }
    }

    /// One output for each call, in the order of the calls; an error as long as one is missing.
    pub(super) fn into_outputs(self) -> Result<Vec<ToolOutput>> {
        let outputs = self.calls.into_iter().zip(self.outputs).map(|(call, output)| {
            output.map(|output| ToolOutput::default().tool_call_id(call.id).output(output))
        });
        let outputs: Option<Vec<ToolOutput>> = outputs.collect();
        outputs.ok_or_else(|| {
            let message = "a tool call was left without an output; nothing was submitted";
            Error::new(ErrorKind::Tool, message)
        })
    }

    /// Does something about the next call, if there is room for it.
    fn admit(&mut self) -> Option<ToolEvent> {
        while !self.asking && self.steps.len() < self.settings.concurrency {
            let place = self.waiting.pop_front()?;
            let call = self.calls.get(place)?;
            let function = match self.settings.contents.find(&call.name, &call.id) {
                Ok(function) => Arc::clone(function),
                Err(error) => return self.failed(place, error, Duration::ZERO),
            };
            match &self.settings.approve {
                None => return self.start(place, function),
                Some(hook) => {
                    let decision = decide(Arc::clone(hook), call.clone(), self.until);
                    self.asking = true;
                    self.steps.push(Box::pin(decision.map(move |made| Step::Decided(place, made))));
                }
            }
        }
        None
    }

    fn decided(&mut self, place: usize, decision: Decision) -> Option<ToolEvent> {
        match decision {
            Ok(Approval::Deny(reason)) => {
                let output = format!("This call was not allowed: {reason}");
                let call = self.finish(place, output)?;
                return Some(ToolEvent::Denied { call, reason });
            }
            Ok(Approval::Edit(arguments)) => {
                self.calls.get_mut(place)?.arguments = arguments.to_string();
            }
            Ok(Approval::Allow) => {}
            Err(error) => return self.failed(place, error, Duration::ZERO),
        }
        let call = self.calls.get(place)?;
        let function = self.settings.contents.find(&call.name, &call.id).ok().cloned()?;
        self.start(place, function)
    }

    fn start(&mut self, place: usize, function: Arc<Function>) -> Option<ToolEvent> {
        let call = self.calls.get(place)?.clone();
        let context = ToolContext::new(&call.thread_id, &call.run_id, &call.id);
        let (arguments, until) = (call.arguments.clone(), Some(self.until));
        let began = Instant::now();
        self.steps.push(Box::pin(async move {
            let output = function.call(arguments, context, until).await;
            Step::Called(place, output, began.elapsed())
        }));
        Some(ToolEvent::Started(call))
    }

    fn failed(&mut self, place: usize, error: ToolError, elapsed: Duration) -> Option<ToolEvent> {
        let call = self.finish(place, error.output())?;
        Some(ToolEvent::Failed { call, error, elapsed })
    }

    /// Keeps a call's output.
    fn finish(&mut self, place: usize, output: String) -> Option<FunctionCall> {
        *self.outputs.get_mut(place)? = Some(output);
        self.calls.get(place).cloned()
    }
}

impl Stream for Round {
    type Item = ToolEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ToolEvent>> {
        self.poll_event(context)
    }
}

async fn decide(hook: Arc<Approve>, call: FunctionCall, until: Instant) -> Decision {
    let (name, id) = (call.name.clone(), call.id.clone());
    // The hook is the caller's own, and nothing of ours is shared with it.
    let decision = AssertUnwindSafe(async move { hook(call).await }).catch_unwind();
    match tokio::time::timeout_at(until, decision).await {
        Ok(Ok(decision)) => Ok(decision),
        Ok(Err(panic)) => Err(ToolError::panic(&name, &id, panic.as_ref())),
        Err(_) => Err(ToolError::late(&name, &id)),
    }
}
