//! A model's answer on its way into the store: text becomes a message and its step, calls become
//! another step. What is stored is always as far as what was told.

use runstep_api::types::{
    FunctionCall, FunctionCallDelta, FunctionToolCall, FunctionToolCallDelta, MessageContent,
    MessageContentDelta, MessageCreation, MessageCreationStepDetails, MessageDelta,
    MessageDeltaBody, MessageRole, MessageStatus, MessageTextDelta, RunStep, RunStepDelta,
    RunStepDeltaBody, RunStepStatus, RunStepType, StepDetails, StreamEvent, TextContentDelta,
    ToolCall, ToolCallDelta, ToolCallsStepDetails, ToolCallsStepDetailsDelta, Usage,
};

use super::leg::Leg;
use super::objects;
use crate::model::{ModelError, ModelErrorKind, ModelEvent, count_tokens};

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
    cut: bool,
}

#[derive(Debug)]
struct OpenMessage {
    message_id: String,
    step_id: String,
    text: String,
}

impl Answer {
    pub(super) fn has_calls(&self) -> bool {
        self.calls.is_some()
    }

    pub(super) fn calls_step(&self) -> Option<&str> {
        self.calls.as_deref()
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut
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
    pub(super) async fn take(
        &mut self,
        leg: &mut Leg,
        offered: &[String],
        event: ModelEvent,
    ) -> Result<(), ModelError> {
        match event {
            ModelEvent::Text(text) => self.text(leg, text).await,
            ModelEvent::ToolCall { index, name } => self.call(leg, offered, index, name).await?,
            ModelEvent::Arguments { index, text } => self.arguments(leg, index, text).await?,
            ModelEvent::Usage { prompt_tokens, completion_tokens } => {
                self.prompt_tokens = prompt_tokens;
                self.completion_tokens = completion_tokens;
            }
            ModelEvent::TokenLimit => self.cut = true,
        }
        Ok(())
    }

    async fn text(&mut self, leg: &mut Leg, text: String) {
        if text.is_empty() {
            return;
        }
        let first = self.message.is_none();
        if first {
            self.open_message(leg).await;
        }
        let Some(open) = &mut self.message else { return };
        open.text.push_str(&text);
        leg.with_run(|_, messages| {
            if let Some(message) = messages.get_mut(&open.message_id) {
                match message.content.first_mut() {
                    Some(MessageContent::Text(content)) => content.text.value.push_str(&text),
                    _ => message.content.push(objects::text_content(text.as_str())),
                }
            }
        });
        let id = open.message_id.clone();
        leg.events.emit(|| StreamEvent::MessageDelta(text_delta(id, text, first))).await;
    }

    async fn open_message(&mut self, leg: &mut Leg) {
        let (ids, now) = (&leg.engine.ids, leg.engine.clock.now());
        let opened = leg.with_run(|state, messages| {
            let thread_id = &state.run.thread_id;
            let mut message =
                objects::message(ids, now, thread_id, MessageRole::Assistant, Vec::new());
            message.status = MessageStatus::InProgress;
            message.assistant_id.clone_from(&state.run.assistant_id);
            message.run_id = Some(state.run.id.clone());
            let creation = MessageCreation::new(message.id.clone());
            let details = MessageCreationStepDetails::new(creation);
            let step = new_step(leg, state, RunStepType::MessageCreation, details.into());
            messages.insert(message.id.clone(), message.clone());
            state.steps.insert(step.id.clone(), step.clone());
            (message, step)
        });
        let Some((message, step)) = opened else { return };
        self.message = Some(OpenMessage {
            message_id: message.id.clone(),
            step_id: step.id.clone(),
            text: String::new(),
        });
        leg.events.emit(|| StreamEvent::StepCreated(step.clone())).await;
        leg.events.emit(|| StreamEvent::StepInProgress(step)).await;
        leg.events.emit(|| StreamEvent::MessageCreated(message.clone())).await;
        leg.events.emit(|| StreamEvent::MessageInProgress(message)).await;
    }

    /// Text that comes before or after calls is a message of its own.
    pub(super) async fn close_message(&mut self, leg: &mut Leg) {
        let Some(open) = self.message.take() else { return };
        let now = leg.engine.clock.now();
        let tokens = count_tokens(&open.text);
        self.told += tokens;
        let prompt_tokens = self.prompt_tokens.saturating_sub(self.prompt_told);
        self.prompt_told += prompt_tokens;
        let closed = leg.with_run(|state, messages| {
            let message = messages.get_mut(&open.message_id)?;
            message.status = MessageStatus::Completed;
            message.completed_at = Some(now);
            let step = state.steps.get_mut(&open.step_id)?;
            step.status = RunStepStatus::Completed;
            step.completed_at = Some(now);
            step.usage = Some(usage(prompt_tokens, tokens));
            Some((message.clone(), step.clone()))
        });
        let Some((message, step)) = closed.flatten() else { return };
        leg.events.emit(|| StreamEvent::MessageCompleted(message)).await;
        leg.events.emit(|| StreamEvent::StepCompleted(step)).await;
    }

    async fn call(
        &mut self,
        leg: &mut Leg,
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
        self.close_message(leg).await;
        if self.calls.is_none() {
            let opened = leg.with_run(|state, _| {
                let details = ToolCallsStepDetails::new(Vec::new());
                let step = new_step(leg, state, RunStepType::ToolCalls, details.into());
                state.steps.insert(step.id.clone(), step.clone());
                step
            });
            if let Some(step) = opened {
                self.calls = Some(step.id.clone());
                leg.events.emit(|| StreamEvent::StepCreated(step.clone())).await;
                leg.events.emit(|| StreamEvent::StepInProgress(step)).await;
            }
        }
        let id = leg.engine.ids.next("call");
        self.call_ids.push(id.clone());
        let call = FunctionToolCall::new(id.clone(), FunctionCall::new(name.clone(), ""));
        self.change_calls(leg, |calls| calls.push(call.into()));
        let mut function = FunctionCallDelta::default();
        function.name = Some(name);
        function.arguments = Some(String::new());
        self.emit_call_delta(leg, index, Some(id), function).await;
        Ok(())
    }

    async fn arguments(
        &mut self,
        leg: &mut Leg,
        index: usize,
        text: String,
    ) -> Result<(), ModelError> {
        if index >= self.call_ids.len() {
            return Err(out_of_order("arguments", index));
        }
        self.change_calls(leg, |calls| {
            if let Some(ToolCall::Function(call)) = calls.get_mut(index) {
                call.function.arguments.push_str(&text);
            }
        });
        let mut function = FunctionCallDelta::default();
        function.arguments = Some(text);
        self.emit_call_delta(leg, index, None, function).await;
        Ok(())
    }

    fn change_calls(&self, leg: &Leg, change: impl FnOnce(&mut Vec<ToolCall>)) {
        let Some(step_id) = &self.calls else { return };
        leg.with_run(|state, _| {
            let step = state.steps.get_mut(step_id);
            if let Some(StepDetails::ToolCalls(details)) = step.map(|step| &mut step.step_details) {
                change(&mut details.tool_calls);
            }
        });
    }

    async fn emit_call_delta(
        &self,
        leg: &mut Leg,
        index: usize,
        id: Option<String>,
        function: FunctionCallDelta,
    ) {
        let Some(step_id) = self.calls.clone() else { return };
        let event = || {
            let mut call = FunctionToolCallDelta::new(index as u64);
            call.id = id;
            call.function = Some(function);
            let mut details = ToolCallsStepDetailsDelta::default();
            details.tool_calls = Some(vec![ToolCallDelta::Function(call)]);
            let mut body = RunStepDeltaBody::default();
            body.step_details = Some(details.into());
            StreamEvent::StepDelta(RunStepDelta::new(step_id, body))
        };
        leg.events.emit(event).await;
    }
}

fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage::new(completion_tokens, prompt_tokens, prompt_tokens + completion_tokens)
}

fn out_of_order(what: &str, index: usize) -> ModelError {
    let message = format!("The model gave {what} with the number {index} out of order.");
    ModelError::new(ModelErrorKind::Server, message)
}

fn new_step(
    leg: &Leg,
    state: &crate::store::RunState,
    kind: RunStepType,
    details: StepDetails,
) -> RunStep {
    let (id, now) = (leg.engine.ids.next("step"), leg.engine.clock.now());
    let run = &state.run;
    let status = RunStepStatus::InProgress;
    let mut step =
        RunStep::new(id, now, run.thread_id.clone(), run.id.clone(), kind, status, details);
    step.assistant_id.clone_from(&run.assistant_id);
    step.metadata = Some(std::collections::BTreeMap::new());
    step
}

fn text_delta(message_id: String, text: String, first: bool) -> MessageDelta {
    let mut value = MessageTextDelta::default();
    value.value = Some(text);
    if first {
        value.annotations = Some(Vec::new());
    }
    let mut content = TextContentDelta::new(0);
    content.text = Some(value);
    let mut body = MessageDeltaBody::default();
    body.role = first.then_some(MessageRole::Assistant);
    body.content = Some(vec![MessageContentDelta::Text(content)]);
    MessageDelta::new(message_id, body)
}
