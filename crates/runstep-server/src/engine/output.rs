//! Accumulates a model's output: text becomes a message and its step, calls become another step.
//! The stored objects always match the events that were emitted.

use runstep_api::types::{
    FunctionCall, FunctionCallDelta, FunctionToolCall, MessageContent, MessageCreation,
    MessageCreationStepDetails, MessageRole, MessageStatus, RefusalContent, RunIncompleteReason,
    RunStep, RunStepStatus, RunStepType, StepDetails, StreamEvent, ToolCall, ToolCallsStepDetails,
    Usage,
};

use super::deltas::{self, ContentKind};
use super::finish::Outcome;
use super::objects;
use super::run_handle::{OutputTarget, RunHandle};
use crate::model::{ModelError, ModelErrorKind, ModelEvent, tokens_of_characters};
use crate::store::{json_length, object_size};

/// The quotation marks around a JSON string.
const QUOTES: usize = 2;

/// The state of a model's output.
#[derive(Debug, Default)]
pub(super) struct ModelOutput {
    open_message: Option<OpenMessage>,
    /// The id of the step with the calls.
    calls_step: Option<String>,
    call_ids: Vec<String>,
    /// Tokens that are part of the usage of completed steps.
    attributed_prompt_tokens: u64,
    attributed_completion_tokens: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    cut_off: Option<Outcome>,
}

#[derive(Debug)]
struct OpenMessage {
    message_id: String,
    step_id: String,
    characters: usize,
}

/// A change of the calls of a step.
struct CallChange {
    index: usize,
    /// The id, for a new call.
    id: Option<String>,
    delta: FunctionCallDelta,
    added_bytes: usize,
}

impl ModelOutput {
    pub(super) fn has_calls(&self) -> bool {
        self.calls_step.is_some()
    }

    pub(super) fn calls_step(&self) -> Option<&str> {
        self.calls_step.as_deref()
    }

    /// Returns how the run ends if the output was cut off.
    pub(super) fn cut_off(&self) -> Option<Outcome> {
        self.cut_off.clone()
    }

    /// Returns the usage of the whole output.
    pub(super) fn usage(&self) -> Usage {
        usage(self.prompt_tokens, self.completion_tokens)
    }

    /// Returns the usage that no completed step has.
    pub(super) fn open_step_usage(&self) -> Usage {
        usage(
            self.prompt_tokens.saturating_sub(self.attributed_prompt_tokens),
            self.completion_tokens.saturating_sub(self.attributed_completion_tokens),
        )
    }

    /// Applies an event of the model. Only the functions with these names may be called.
    pub(super) fn apply(
        &mut self,
        handle: &RunHandle,
        functions: &[String],
        event: ModelEvent,
    ) -> Result<(), ModelError> {
        if handle.context.quota.is_exceeded() {
            let message = "The server's memory quota is used up.";
            return Err(ModelError::new(ModelErrorKind::Server, message));
        }
        match event {
            ModelEvent::Text(text) => self.append(handle, ContentKind::Text, text),
            ModelEvent::Refusal(text) => self.append(handle, ContentKind::Refusal, text),
            ModelEvent::ToolCall { index, name } => self.call(handle, functions, index, name)?,
            ModelEvent::Arguments { index, text } => self.arguments(handle, index, text)?,
            ModelEvent::Usage { prompt_tokens, completion_tokens } => {
                self.prompt_tokens = prompt_tokens;
                self.completion_tokens = completion_tokens;
            }
            ModelEvent::TokenLimit => {
                self.cut_off = Some(Outcome::Incomplete(RunIncompleteReason::MaxCompletionTokens));
            }
            ModelEvent::ContentFilter => self.cut_off = Some(Outcome::Filtered),
        }
        Ok(())
    }

    /// Appends to the message. Text and refusal are separate content parts.
    fn append(&mut self, handle: &RunHandle, kind: ContentKind, text: String) {
        if text.is_empty() {
            return;
        }
        let is_first = self.open_message.is_none();
        if is_first {
            self.open_message = create_message(handle);
        }
        let Some(open) = &mut self.open_message else { return };
        open.characters += text.chars().count();
        handle.while_in_progress(|target| {
            let content = &mut target.messages.get_mut(&open.message_id)?.content;
            // The length within the JSON, which a deletion of the message releases.
            let mut added = json_length(&text).saturating_sub(QUOTES);
            let is_new_part = match (kind, content.last_mut()) {
                (ContentKind::Text, Some(MessageContent::Text(part))) => {
                    part.text.value.push_str(&text);
                    false
                }
                (ContentKind::Refusal, Some(MessageContent::Refusal(part))) => {
                    part.refusal.push_str(&text);
                    false
                }
                (kind, _) => {
                    let part = match kind {
                        ContentKind::Text => objects::text_content(text.as_str()),
                        ContentKind::Refusal => RefusalContent::new(text.as_str()).into(),
                    };
                    added = json_length(&part);
                    content.push(part);
                    true
                }
            };
            target.charge.add(added);
            let (id, index) = (open.message_id.clone(), content.len() as u64 - 1);
            handle.emit(|| {
                let delta = deltas::content(kind, index, text, is_new_part);
                StreamEvent::MessageDelta(deltas::message(id, delta, is_first))
            });
            Some(())
        });
    }

    /// Completes the open message, if there is one. Text before and after calls is in separate
    /// messages.
    pub(super) fn complete_message(&mut self, handle: &RunHandle) {
        let Some(open) = self.open_message.take() else { return };
        let now = handle.context.clock.now();
        let completion_tokens = tokens_of_characters(open.characters);
        self.attributed_completion_tokens += completion_tokens;
        let prompt_tokens = self.prompt_tokens.saturating_sub(self.attributed_prompt_tokens);
        self.attributed_prompt_tokens += prompt_tokens;
        handle.while_in_progress(|target| {
            let message = target.messages.get_mut(&open.message_id)?;
            message.status = Some(MessageStatus::Completed);
            message.completed_at = Some(now);
            handle.emit(|| StreamEvent::MessageCompleted(Box::new(message.clone())));
            let step = target.run.steps.get_mut(&open.step_id)?;
            step.status = RunStepStatus::Completed;
            step.completed_at = Some(now);
            step.usage = Some(usage(prompt_tokens, completion_tokens));
            handle.emit(|| StreamEvent::StepCompleted(Box::new(step.clone())));
            Some(())
        });
    }

    fn call(
        &mut self,
        handle: &RunHandle,
        functions: &[String],
        index: usize,
        name: String,
    ) -> Result<(), ModelError> {
        if index != self.call_ids.len() {
            return Err(unexpected_index("a call", index));
        }
        if !functions.contains(&name) {
            let message = format!("The model called '{name}', which is not among the run's tools.");
            return Err(ModelError::new(ModelErrorKind::Server, message));
        }
        self.complete_message(handle);
        if self.calls_step.is_none() {
            self.calls_step = handle.while_in_progress(|target| {
                let details = ToolCallsStepDetails::new(Vec::new());
                Some(create_step(handle, target, RunStepType::ToolCalls, details.into()).id)
            });
        }
        let id = handle.context.ids.next("call");
        self.call_ids.push(id.clone());
        let call = FunctionToolCall::new(id.clone(), FunctionCall::new(name.clone(), ""));
        let mut delta = FunctionCallDelta::default();
        delta.name = Some(name);
        delta.arguments = Some(String::new());
        self.change_calls(handle, |calls| {
            let added_bytes = object_size(&call);
            calls.push(call.into());
            CallChange { index, id: Some(id), delta, added_bytes }
        });
        Ok(())
    }

    fn arguments(
        &mut self,
        handle: &RunHandle,
        index: usize,
        text: String,
    ) -> Result<(), ModelError> {
        if index >= self.call_ids.len() {
            return Err(unexpected_index("arguments", index));
        }
        self.change_calls(handle, |calls| {
            if let Some(ToolCall::Function(call)) = calls.get_mut(index) {
                call.function.arguments.push_str(&text);
            }
            let added_bytes = text.len();
            let mut delta = FunctionCallDelta::default();
            delta.arguments = Some(text);
            CallChange { index, id: None, delta, added_bytes }
        });
        Ok(())
    }

    /// Changes the calls and emits the change.
    fn change_calls(
        &self,
        handle: &RunHandle,
        change: impl FnOnce(&mut Vec<ToolCall>) -> CallChange,
    ) {
        let Some(step_id) = &self.calls_step else { return };
        handle.while_in_progress(|target| {
            let StepDetails::ToolCalls(details) =
                &mut target.run.steps.get_mut(step_id)?.step_details
            else {
                return None;
            };
            let CallChange { index, id, delta, added_bytes } = change(&mut details.tool_calls);
            target.charge.add(added_bytes);
            handle.emit(|| StreamEvent::StepDelta(deltas::call(step_id, index, id, delta)));
            Some(())
        });
    }
}

fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage::new(completion_tokens, prompt_tokens, prompt_tokens + completion_tokens)
}

fn unexpected_index(part: &str, index: usize) -> ModelError {
    let message = format!("The model generated {part} with the unexpected index {index}.");
    ModelError::new(ModelErrorKind::Server, message)
}

/// Creates a message without content and its step. Returns `None` if the run is not in progress.
fn create_message(handle: &RunHandle) -> Option<OpenMessage> {
    let (ids, now) = (&handle.context.ids, handle.context.clock.now());
    handle.while_in_progress(|target| {
        let run = &target.run.run;
        let role = MessageRole::Assistant;
        let mut message = objects::message(ids, now, &run.thread_id, role, Vec::new());
        message.status = Some(MessageStatus::InProgress);
        message.assistant_id.clone_from(&run.assistant_id);
        message.run_id = Some(run.id.clone());
        let creation = MessageCreation::new(message.id.clone());
        let details = MessageCreationStepDetails::new(creation);
        let step = create_step(handle, target, RunStepType::MessageCreation, details.into());
        handle.emit(|| StreamEvent::MessageCreated(Box::new(message.clone())));
        handle.emit(|| StreamEvent::MessageInProgress(Box::new(message.clone())));
        target.charge.add(object_size(&message));
        let message_id = message.id.clone();
        target.messages.insert(message_id.clone(), message);
        Some(OpenMessage { message_id, step_id: step.id, characters: 0 })
    })
}

/// Creates a step in progress.
fn create_step(
    handle: &RunHandle,
    target: &mut OutputTarget<'_>,
    kind: RunStepType,
    details: StepDetails,
) -> RunStep {
    let (id, now) = (handle.context.ids.next("step"), handle.context.clock.now());
    let run = &target.run.run;
    let status = RunStepStatus::InProgress;
    let assistant_id = run.assistant_id.clone().unwrap_or_default();
    let (thread_id, run_id) = (run.thread_id.clone(), run.id.clone());
    let mut step = RunStep::new(id, now, assistant_id, thread_id, run_id, kind, status, details);
    step.metadata = Some(std::collections::BTreeMap::new());
    target.charge.add(object_size(&step));
    target.run.steps.insert(step.id.clone(), step.clone());
    handle.emit(|| StreamEvent::StepCreated(Box::new(step.clone())));
    handle.emit(|| StreamEvent::StepInProgress(Box::new(step.clone())));
    step
}
