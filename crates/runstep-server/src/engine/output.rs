//! Accumulates a model's output: text becomes a message and its step, calls become another step.
//! What is stored always matches the events that clients have received.

use runstep_api::types::{
    FunctionCall, FunctionCallDelta, FunctionToolCall, MessageContent, MessageCreation,
    MessageCreationStepDetails, MessageRole, MessageStatus, RefusalContent, RunIncompleteReason,
    RunStep, RunStepStatus, RunStepType, StepDetails, StreamEvent, ToolCall, ToolCallsStepDetails,
    Usage,
};
use serde_json::Value;

use super::deltas::{self, ContentKind};
use super::finish::Outcome;
use super::hidden_step::HiddenStep;
use super::objects;
use super::run_state::{MessageState, StepState};
use super::run_writer::RunWriter;
use crate::model::{ModelError, ModelErrorKind, ModelEvent, tokens_of_characters};
use crate::store::json_length;

/// The state of a model's output.
#[derive(Debug, Default)]
pub(super) struct ModelOutput {
    pub(super) open_message: Option<OpenMessage>,
    /// Whether the model has ended the open message.
    is_message_ended: bool,
    /// Reasoning that precedes the next step or call.
    pub(super) reasoning: Vec<Value>,
    /// The ids of the steps of the calls of built-in tools. A call that was not in progress has none.
    pub(super) built_in_steps: Vec<Option<String>>,
    /// The id of the step with the calls.
    calls_step: Option<String>,
    call_ids: Vec<String>,
    /// Tokens that are part of the usage of completed steps.
    attributed_prompt_tokens: u64,
    pub(super) attributed_completion_tokens: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    cut_off: Option<Outcome>,
}

#[derive(Debug)]
pub(super) struct OpenMessage {
    pub(super) message_id: String,
    step_id: String,
    characters: usize,
    /// The length of the text in the last content part, with markers of citations.
    pub(super) part_characters: usize,
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
        writer: &mut RunWriter,
        functions: &[String],
        event: ModelEvent,
    ) -> Result<(), ModelError> {
        if let Some(message) = writer.full_resource() {
            return Err(ModelError::new(ModelErrorKind::Server, message));
        }
        match event {
            ModelEvent::Text(text) => self.append(writer, ContentKind::Text, text),
            ModelEvent::Refusal(text) => self.append(writer, ContentKind::Refusal, text),
            ModelEvent::MessageEnd => self.is_message_ended = true,
            ModelEvent::FileCitation { file_id, marker } => self.cite(writer, file_id, marker),
            ModelEvent::FilePath { file_id, start, end } => {
                self.annotate_path(writer, file_id, start, end);
            }
            ModelEvent::Image { file_id } => self.add_image(writer, file_id),
            ModelEvent::CodeInterpreterStart { index } => self.start_code(writer, index)?,
            ModelEvent::Code { index, text } => self.append_code(writer, index, text)?,
            ModelEvent::CodeInterpreterEnd { index, call } => self.end_code(writer, index, call)?,
            ModelEvent::FileSearchStart { index } => self.start_search(writer, index)?,
            ModelEvent::FileSearchEnd { index, call } => self.end_search(writer, index, call)?,
            ModelEvent::Reasoning(item) => self.reasoning.push(item),
            ModelEvent::ToolCall { index, name } => self.call(writer, functions, index, name)?,
            ModelEvent::Arguments { index, text } => self.arguments(writer, index, text)?,
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
    fn append(&mut self, writer: &mut RunWriter, kind: ContentKind, text: String) {
        if text.is_empty() {
            return;
        }
        let is_first = self.open(writer);
        let Some(open) = &mut self.open_message else { return };
        let characters = text.chars().count();
        open.characters += characters;
        if !writer.is_in_progress() {
            return;
        }
        writer.charge.add(json_length(&text));
        let Some(message) = writer.state.message_mut(&open.message_id) else { return };
        let content = &mut message.content;
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
                content.push(match kind {
                    ContentKind::Text => objects::text_content(text.as_str()),
                    ContentKind::Refusal => RefusalContent::new(text.as_str()).into(),
                });
                true
            }
        };
        let before = if is_new_part { 0 } else { open.part_characters };
        open.part_characters = before + characters;
        let (id, index) = (open.message_id.clone(), content.len() as u64 - 1);
        let delta = deltas::content(kind, index, text, is_new_part);
        writer.emit(StreamEvent::MessageDelta(deltas::message(id, delta, is_first)));
    }

    /// Opens a message, if none is open. Returns whether it did.
    pub(super) fn open(&mut self, writer: &mut RunWriter) -> bool {
        if std::mem::take(&mut self.is_message_ended) {
            self.complete_message(writer);
        }
        if self.open_message.is_some() {
            return false;
        }
        self.open_message = create_message(writer, &mut self.reasoning);
        true
    }

    /// Completes the open message, if there is one. Text before and after calls is in separate
    /// messages.
    pub(super) fn complete_message(&mut self, writer: &mut RunWriter) {
        let Some(open) = self.open_message.take() else { return };
        let now = writer.context.clock.now();
        let completion_tokens = tokens_of_characters(open.characters);
        self.attributed_completion_tokens += completion_tokens;
        let prompt_tokens = self.prompt_tokens.saturating_sub(self.attributed_prompt_tokens);
        self.attributed_prompt_tokens += prompt_tokens;
        if !writer.is_in_progress() {
            return;
        }
        if let Some(message) = writer.state.message_mut(&open.message_id) {
            message.status = Some(MessageStatus::Completed);
            message.completed_at = Some(now);
            writer.emit_message(&open.message_id);
        }
        if let Some(step) = writer.state.step_mut(&open.step_id) {
            step.status = RunStepStatus::Completed;
            step.completed_at = Some(now);
            step.usage = Some(usage(prompt_tokens, completion_tokens));
            writer.emit_step(&open.step_id);
        }
    }

    fn call(
        &mut self,
        writer: &mut RunWriter,
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
        self.complete_message(writer);
        if self.calls_step.is_none() && writer.is_in_progress() {
            let details = ToolCallsStepDetails::new(Vec::new());
            let details = details.into();
            let step = create_step(writer, RunStepType::ToolCalls, details, Vec::new());
            self.calls_step = Some(step);
        }
        self.place_reasoning(writer, index);
        let id = writer.context.ids.next("call");
        self.call_ids.push(id.clone());
        let call = FunctionToolCall::new(id.clone(), FunctionCall::new(name.clone(), ""));
        let mut delta = FunctionCallDelta::default();
        delta.name = Some(name);
        delta.arguments = Some(String::new());
        self.change_calls(writer, |calls| {
            let added_bytes = json_length(&call);
            calls.push(call.into());
            CallChange { index, id: Some(id), delta, added_bytes }
        });
        Ok(())
    }

    /// Keeps the reasoning before a function call with its step.
    fn place_reasoning(&mut self, writer: &mut RunWriter, call: usize) {
        let reasoning = std::mem::take(&mut self.reasoning);
        writer.charge.add(reasoning.iter().map(json_length).sum());
        let step = self.calls_step.as_deref().and_then(|id| writer.state.step_mut(id));
        if let Some(step) = step.filter(|_| !reasoning.is_empty()) {
            let placed = reasoning.into_iter().map(|item| (call, item));
            HiddenStep::change(step, |hidden| hidden.reasoning.extend(placed));
        }
    }

    fn arguments(
        &mut self,
        writer: &mut RunWriter,
        index: usize,
        text: String,
    ) -> Result<(), ModelError> {
        if index >= self.call_ids.len() {
            return Err(unexpected_index("arguments", index));
        }
        self.change_calls(writer, |calls| {
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
        writer: &mut RunWriter,
        change: impl FnOnce(&mut Vec<ToolCall>) -> CallChange,
    ) {
        let Some(step_id) = &self.calls_step else { return };
        if !writer.is_in_progress() {
            return;
        }
        let Some(step) = writer.state.step_mut(step_id) else { return };
        let StepDetails::ToolCalls(details) = &mut step.step_details else { return };
        let CallChange { index, id, delta, added_bytes } = change(&mut details.tool_calls);
        writer.charge.add(added_bytes);
        writer.emit(StreamEvent::StepDelta(deltas::call(step_id, index, id, delta)));
    }
}

pub(super) fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage::new(completion_tokens, prompt_tokens, prompt_tokens + completion_tokens)
}

pub(super) fn unexpected_index(part: &str, index: usize) -> ModelError {
    let message = format!("The model generated {part} with the unexpected index {index}.");
    ModelError::new(ModelErrorKind::Server, message)
}

/// Creates a message without content and its step. Returns `None` if the run is not in progress.
fn create_message(writer: &mut RunWriter, reasoning: &mut Vec<Value>) -> Option<OpenMessage> {
    if !writer.is_in_progress() {
        return None;
    }
    let now = writer.context.clock.now();
    let run = &writer.state.run;
    let role = MessageRole::Assistant;
    let mut message = objects::message(&writer.context.ids, now, &run.thread_id, role, Vec::new());
    message.status = Some(MessageStatus::InProgress);
    message.assistant_id.clone_from(&run.assistant_id);
    message.run_id = Some(run.id.clone());
    let message_id = message.id.clone();
    let details = MessageCreationStepDetails::new(MessageCreation::new(message_id.clone()));
    let reasoning = std::mem::take(reasoning);
    let step_id = create_step(writer, RunStepType::MessageCreation, details.into(), reasoning);
    let message = MessageState::new(message);
    writer.emit(message.created_event());
    writer.emit(message.event());
    writer.charge.add(message.message.json().len());
    writer.state.messages.push(message);
    Some(OpenMessage { message_id, step_id, characters: 0, part_characters: 0 })
}

/// Creates a step in progress, with the reasoning before it. Returns its id.
pub(super) fn create_step(
    writer: &mut RunWriter,
    kind: RunStepType,
    details: StepDetails,
    reasoning: Vec<Value>,
) -> String {
    let (id, now) = (writer.context.ids.next("step"), writer.context.clock.now());
    let run = &writer.state.run;
    let status = RunStepStatus::InProgress;
    let assistant_id = run.assistant_id.clone().unwrap_or_default();
    let (thread_id, run_id) = (run.thread_id.clone(), run.id.clone());
    let mut step =
        RunStep::new(id.clone(), now, assistant_id, thread_id, run_id, kind, status, details);
    step.metadata = Some(std::collections::BTreeMap::new());
    if !reasoning.is_empty() {
        let placed = reasoning.into_iter().map(|item| (0, item));
        HiddenStep::change(&mut step, |hidden| hidden.reasoning.extend(placed));
    }
    let step = StepState::new(step);
    writer.charge.add(step.step.json().len());
    writer.emit(step.created_event());
    writer.emit(step.event(false));
    writer.state.steps.push(step);
    id
}
