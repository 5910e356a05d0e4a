//! A model's answer on its way into the store: text becomes a message and its step, calls become
//! another step. What is stored is always as far as what was told.

use runstep_api::types::{
    FunctionCall, FunctionCallDelta, FunctionToolCall, MessageContent, MessageCreation,
    MessageCreationStepDetails, MessageRole, MessageStatus, RefusalContent, RunIncompleteReason,
    RunStep, RunStepStatus, RunStepType, StepDetails, StreamEvent, ToolCall, ToolCallsStepDetails,
    Usage,
};

use super::deltas::{self, Kind};
use super::ending::Ending;
use super::leg::{Leg, OnThread};
use super::objects;
use crate::model::{ModelError, ModelErrorKind, ModelEvent, tokens_of};
use crate::store::{length, size};

/// What JSON puts around a text.
const QUOTES: usize = 2;

/// How far an answer has come.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The message that is being written, and its step.
    message: Option<OpenMessage>,
    /// The step of the calls.
    calls: Option<String>,
    call_ids: Vec<String>,
    /// Tokens of messages that are complete already, and of the prompt, as far as their steps
    /// show them.
    told: u64,
    prompt_told: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    cut: Option<Ending>,
}

#[derive(Debug)]
struct OpenMessage {
    message_id: String,
    step_id: String,
    characters: usize,
}

impl Answer {
    pub(super) fn has_calls(&self) -> bool {
        self.calls.is_some()
    }

    pub(super) fn calls_step(&self) -> Option<&str> {
        self.calls.as_deref()
    }

    /// How the run ends when the answer was cut.
    pub(super) fn cut(&self) -> Option<Ending> {
        self.cut.clone()
    }

    /// What the whole answer cost.
    pub(super) fn usage(&self) -> Usage {
        usage(self.prompt_tokens, self.completion_tokens)
    }

    /// What is left of it for the step that is still open.
    pub(super) fn open_step_usage(&self) -> Usage {
        usage(
            self.prompt_tokens.saturating_sub(self.prompt_told),
            self.completion_tokens.saturating_sub(self.told),
        )
    }

    /// Takes the next part of the answer.
    pub(super) fn take(
        &mut self,
        leg: &Leg,
        offered: &[String],
        event: ModelEvent,
    ) -> Result<(), ModelError> {
        if leg.shared.storage.is_full() {
            let message = "The server has no room for more of the answer.";
            return Err(ModelError::new(ModelErrorKind::Server, message));
        }
        match event {
            ModelEvent::Text(text) => self.write(leg, Kind::Text, text),
            ModelEvent::Refusal(text) => self.write(leg, Kind::Refusal, text),
            ModelEvent::ToolCall { index, name } => self.call(leg, offered, index, name)?,
            ModelEvent::Arguments { index, text } => self.arguments(leg, index, text)?,
            ModelEvent::Usage { prompt_tokens, completion_tokens } => {
                self.prompt_tokens = prompt_tokens;
                self.completion_tokens = completion_tokens;
            }
            ModelEvent::TokenLimit => {
                self.cut = Some(Ending::Incomplete(RunIncompleteReason::MaxCompletionTokens));
            }
            ModelEvent::ContentFilter => self.cut = Some(Ending::Filtered),
        }
        Ok(())
    }

    /// Appends to the message. Text and refusal are parts of their own.
    fn write(&mut self, leg: &Leg, kind: Kind, text: String) {
        if text.is_empty() {
            return;
        }
        let first = self.message.is_none();
        if first {
            self.open_message(leg);
        }
        let Some(open) = &mut self.message else { return };
        open.characters += text.chars().count();
        leg.while_in_progress(|on| {
            let content = &mut on.messages.get_mut(&open.message_id)?.content;
            // As JSON, which is what a message that is deleted gives back.
            let mut taken = length(&text).saturating_sub(QUOTES);
            let begins = match (kind, content.last_mut()) {
                (Kind::Text, Some(MessageContent::Text(part))) => {
                    part.text.value.push_str(&text);
                    false
                }
                (Kind::Refusal, Some(MessageContent::Refusal(part))) => {
                    part.refusal.push_str(&text);
                    false
                }
                (kind, _) => {
                    let part = match kind {
                        Kind::Text => objects::text_content(text.as_str()),
                        Kind::Refusal => RefusalContent::new(text.as_str()).into(),
                    };
                    taken = length(&part);
                    content.push(part);
                    true
                }
            };
            on.charge.add(taken);
            let (id, index) = (open.message_id.clone(), content.len() as u64 - 1);
            leg.tell(|| {
                let delta = deltas::content(kind, index, text, begins);
                StreamEvent::MessageDelta(deltas::message(id, delta, first))
            });
            Some(())
        });
    }

    fn open_message(&mut self, leg: &Leg) {
        let (ids, now) = (&leg.shared.ids, leg.shared.clock.now());
        self.message = leg.while_in_progress(|on| {
            let run = &on.run.run;
            let role = MessageRole::Assistant;
            let mut message = objects::message(ids, now, &run.thread_id, role, Vec::new());
            message.status = MessageStatus::InProgress;
            message.assistant_id.clone_from(&run.assistant_id);
            message.run_id = Some(run.id.clone());
            let creation = MessageCreation::new(message.id.clone());
            let details = MessageCreationStepDetails::new(creation);
            let step = new_step(leg, on, RunStepType::MessageCreation, details.into());
            let open = OpenMessage {
                message_id: message.id.clone(),
                step_id: step.id.clone(),
                characters: 0,
            };
            leg.tell(|| StreamEvent::MessageCreated(Box::new(message.clone())));
            leg.tell(|| StreamEvent::MessageInProgress(Box::new(message.clone())));
            on.charge.add(size(&message));
            on.messages.insert(message.id.clone(), message);
            Some(open)
        });
    }

    /// Text that comes before or after calls is a message of its own.
    pub(super) fn close_message(&mut self, leg: &Leg) {
        let Some(open) = self.message.take() else { return };
        let now = leg.shared.clock.now();
        let tokens = tokens_of(open.characters);
        self.told += tokens;
        let prompt_tokens = self.prompt_tokens.saturating_sub(self.prompt_told);
        self.prompt_told += prompt_tokens;
        leg.while_in_progress(|on| {
            let message = on.messages.get_mut(&open.message_id)?;
            message.status = MessageStatus::Completed;
            message.completed_at = Some(now);
            leg.tell(|| StreamEvent::MessageCompleted(Box::new(message.clone())));
            let step = on.run.steps.get_mut(&open.step_id)?;
            step.status = RunStepStatus::Completed;
            step.completed_at = Some(now);
            step.usage = Some(usage(prompt_tokens, tokens));
            leg.tell(|| StreamEvent::StepCompleted(Box::new(step.clone())));
            Some(())
        });
    }

    fn call(
        &mut self,
        leg: &Leg,
        offered: &[String],
        index: usize,
        name: String,
    ) -> Result<(), ModelError> {
        if index != self.call_ids.len() {
            return Err(out_of_order("a call", index));
        }
        if !offered.contains(&name) {
            let message = format!("The model called '{name}', which is not among the run's tools.");
            return Err(ModelError::new(ModelErrorKind::Server, message));
        }
        self.close_message(leg);
        if self.calls.is_none() {
            self.calls = leg.while_in_progress(|on| {
                let details = ToolCallsStepDetails::new(Vec::new());
                Some(new_step(leg, on, RunStepType::ToolCalls, details.into()).id)
            });
        }
        let id = leg.shared.ids.next("call");
        self.call_ids.push(id.clone());
        let call = FunctionToolCall::new(id.clone(), FunctionCall::new(name.clone(), ""));
        let mut function = FunctionCallDelta::default();
        function.name = Some(name);
        function.arguments = Some(String::new());
        self.change_calls(leg, |calls| {
            let length = size(&call);
            calls.push(call.into());
            (length, index, Some(id), function)
        });
        Ok(())
    }

    fn arguments(&mut self, leg: &Leg, index: usize, text: String) -> Result<(), ModelError> {
        if index >= self.call_ids.len() {
            return Err(out_of_order("arguments", index));
        }
        self.change_calls(leg, |calls| {
            if let Some(ToolCall::Function(call)) = calls.get_mut(index) {
                call.function.arguments.push_str(&text);
            }
            let length = text.len();
            let mut function = FunctionCallDelta::default();
            function.arguments = Some(text);
            (length, index, None, function)
        });
        Ok(())
    }

    /// Changes the calls, and tells of what the change says: how many bytes it added, to which
    /// call, its id, and what of the call.
    fn change_calls(
        &self,
        leg: &Leg,
        change: impl FnOnce(&mut Vec<ToolCall>) -> (usize, usize, Option<String>, FunctionCallDelta),
    ) {
        let Some(step_id) = &self.calls else { return };
        leg.while_in_progress(|on| {
            let StepDetails::ToolCalls(details) = &mut on.run.steps.get_mut(step_id)?.step_details
            else {
                return None;
            };
            let (length, index, id, function) = change(&mut details.tool_calls);
            on.charge.add(length);
            leg.tell(|| StreamEvent::StepDelta(deltas::call(step_id, index, id, function)));
            Some(())
        });
    }
}

fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage::new(completion_tokens, prompt_tokens, prompt_tokens + completion_tokens)
}

fn out_of_order(what: &str, index: usize) -> ModelError {
    let message = format!("The model gave {what} with the number {index} out of order.");
    ModelError::new(ModelErrorKind::Server, message)
}

/// Begins a step, and tells of it.
fn new_step(leg: &Leg, on: &mut OnThread<'_>, kind: RunStepType, details: StepDetails) -> RunStep {
    let (id, now) = (leg.shared.ids.next("step"), leg.shared.clock.now());
    let run = &on.run.run;
    let status = RunStepStatus::InProgress;
    let mut step =
        RunStep::new(id, now, run.thread_id.clone(), run.id.clone(), kind, status, details);
    step.assistant_id.clone_from(&run.assistant_id);
    step.metadata = Some(std::collections::BTreeMap::new());
    on.charge.add(size(&step));
    on.run.steps.insert(step.id.clone(), step.clone());
    leg.tell(|| StreamEvent::StepCreated(Box::new(step.clone())));
    leg.tell(|| StreamEvent::StepInProgress(Box::new(step.clone())));
    step
}
