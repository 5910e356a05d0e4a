//! Objects, made and changed as a request says.

use std::collections::BTreeMap;

use runstep_api::Field;
use runstep_api::types::{
    Assistant, CreateMessageContent, CreateMessageRequest, CreateRunRequest, Message,
    MessageContent, MessageContentPart, MessageRole, MessageStatus, MessageText, RequiredAction,
    RequiredFunction, RequiredFunctionToolCall, RequiredToolCall, RequiredToolOutputs,
    ResponseFormat, Run, RunStatus, RunStep, StepDetails, SubmitToolOutputsAction, TextContent,
    ToolCall, ToolChoice, TruncationStrategy, TruncationStrategyType,
};

use crate::ids::Ids;
use crate::store::{Charge, Full, length};

pub(super) fn message(
    ids: &Ids,
    now: i64,
    thread_id: &str,
    role: MessageRole,
    content: Vec<MessageContent>,
) -> Message {
    let status = MessageStatus::Completed;
    let mut message = Message::new(ids.next("msg"), now, thread_id, status, role, content);
    message.attachments = Some(Vec::new());
    message.metadata = Some(BTreeMap::new());
    message
}

/// A message as a request gives it.
pub(super) fn given_message(
    ids: &Ids,
    now: i64,
    thread_id: &str,
    request: CreateMessageRequest,
) -> Message {
    let content = match request.content {
        CreateMessageContent::Text(text) => vec![text_content(text)],
        CreateMessageContent::Parts(parts) => parts
            .into_iter()
            .filter_map(|part| match part {
                MessageContentPart::Text(part) => Some(text_content(part.text)),
                MessageContentPart::ImageUrl(part) => Some(part.into()),
                // Refused by `support` before it comes here.
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let mut message = message(ids, now, thread_id, request.role, content);
    message.metadata = Some(request.metadata.into_option().unwrap_or_default());
    message
}

pub(super) fn text_content(text: impl Into<String>) -> MessageContent {
    TextContent::new(MessageText::new(text, Vec::new())).into()
}

/// A run of an assistant, with what the request has in place of the assistant's own.
pub(super) fn run(
    ids: &Ids,
    now: i64,
    lifetime: i64,
    thread_id: &str,
    assistant: &Assistant,
    request: &CreateRunRequest,
) -> Run {
    let mut run = Run::new(ids.next("run"), now, thread_id, RunStatus::Queued);
    run.assistant_id = Some(assistant.id.clone());
    run.expires_at = Some(now.saturating_add(lifetime));
    run.model =
        Some(request.model.clone().into_option().unwrap_or_else(|| assistant.model.clone()));
    run.instructions = Some(instructions(assistant, request));
    run.tools = request.tools.clone().into_option().unwrap_or_else(|| assistant.tools.clone());
    run.metadata = Some(request.metadata.clone().into_option().unwrap_or_default());
    run.temperature = request.temperature.into_option().or(assistant.temperature).or(Some(1.0));
    run.top_p = request.top_p.into_option().or(assistant.top_p).or(Some(1.0));
    run.max_prompt_tokens = request.max_prompt_tokens.into_option();
    run.max_completion_tokens = request.max_completion_tokens.into_option();
    let auto = || TruncationStrategy::new(TruncationStrategyType::Auto);
    run.truncation_strategy =
        Some(request.truncation_strategy.clone().into_option().unwrap_or_else(auto));
    run.tool_choice = Some(request.tool_choice.clone().into_option().unwrap_or(ToolChoice::Auto));
    run.parallel_tool_calls = Some(request.parallel_tool_calls.unwrap_or(true));
    let format =
        request.response_format.clone().into_option().or_else(|| assistant.response_format.clone());
    run.response_format = Some(format.unwrap_or(ResponseFormat::Auto));
    run
}

fn instructions(assistant: &Assistant, request: &CreateRunRequest) -> String {
    let own = request.instructions.as_option().or(assistant.instructions.as_ref());
    let both = [own, request.additional_instructions.as_option()];
    both.into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a run waits for: the outputs of the calls of a step.
pub(super) fn required_action(step: Option<&RunStep>) -> RequiredAction {
    let calls = match step.map(|step| &step.step_details) {
        Some(StepDetails::ToolCalls(details)) => details.tool_calls.as_slice(),
        _ => &[],
    };
    let required = calls.iter().filter_map(|call| match call {
        ToolCall::Function(call) => {
            let called = &call.function;
            let function = RequiredFunction::new(called.name.clone(), called.arguments.clone());
            let call = RequiredFunctionToolCall::new(call.id.clone(), function);
            Some(RequiredToolCall::Function(call))
        }
        _ => None,
    });
    let outputs = RequiredToolOutputs::new(required.collect::<Vec<_>>());
    SubmitToolOutputsAction::new(outputs).into()
}

/// Changes what may be there or not: nothing if the field was left out, and null takes it away.
pub(super) fn change<T>(present: &mut Option<T>, field: Field<T>) {
    match field {
        Field::Absent => {}
        Field::Null => *present = None,
        Field::Value(value) => *present = Some(value),
    }
}

/// The same for pairs, of which there may be none but which are always there.
pub(super) fn change_metadata(
    present: &mut Option<BTreeMap<String, String>>,
    field: Field<BTreeMap<String, String>>,
) {
    change(present, field);
    present.get_or_insert_default();
}

/// The same for those of an object that is kept, if there is room for what they become.
pub(super) fn change_kept_metadata(
    present: &mut Option<BTreeMap<String, String>>,
    field: Field<BTreeMap<String, String>>,
    charge: &mut Charge,
) -> Result<(), Full> {
    let mut changed = present.clone();
    change_metadata(&mut changed, field);
    charge.resize(length(present), length(&changed))?;
    *present = changed;
    Ok(())
}
