//! Creates and updates objects from requests.

use std::collections::BTreeMap;

use axum::body::Bytes;
use runstep_api::types::{
    Assistant, CreateMessageContent, CreateMessageRequest, CreateRunRequest, Message,
    MessageContent, MessageContentPart, MessageRole, MessageStatus, MessageText, RequiredAction,
    RequiredFunction, RequiredFunctionToolCall, RequiredToolCall, RequiredToolOutputs,
    ResponseFormat, Run, RunStatus, RunStep, StepDetails, SubmitToolOutputsAction, TextContent,
    ToolCall, ToolChoice, TruncationStrategy, TruncationStrategyType,
};
use runstep_api::{Decode, Field};
use serde::{Deserialize, Serialize};

use crate::ids::Ids;
use crate::store::{Phase, StoreError};

/// The length of most objects as JSON.
const USUAL_OBJECT_BYTES: usize = 1024;

/// Creates a completed message.
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

/// Creates the message of a request.
pub(super) fn request_message(
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
                MessageContentPart::ImageFile(part) => Some(part.into()),
                // `capabilities` has rejected other parts.
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let mut message = message(ids, now, thread_id, request.role, content);
    message.attachments = Some(request.attachments.into_option().unwrap_or_default());
    message.metadata = Some(request.metadata.into_option().unwrap_or_default());
    message
}

pub(super) fn text_content(text: impl Into<String>) -> MessageContent {
    TextContent::new(MessageText::new(text, Vec::new())).into()
}

/// Creates a queued run of an assistant, without its long members. Fields of the request override
/// those of the assistant.
pub(super) fn run(
    ids: &Ids,
    now: i64,
    lifetime: i64,
    thread_id: &str,
    assistant: &Assistant,
    request: CreateRunRequest,
) -> Run {
    let instructions = instructions(assistant, &request);
    let model = request.model.into_option().or_else(|| assistant.model.clone());
    let mut run = Run::new(
        ids.next("run"),
        now,
        thread_id,
        assistant.id.clone(),
        RunStatus::Queued,
        model.unwrap_or_default(),
        instructions,
        Vec::new(),
        request.parallel_tool_calls.unwrap_or(true),
    );
    run.expires_at = Some(now.saturating_add(lifetime));
    run.metadata = Some(request.metadata.into_option().unwrap_or_default());
    run.temperature = request.temperature.into_option().or(assistant.temperature).or(Some(1.0));
    run.top_p = request.top_p.into_option().or(assistant.top_p).or(Some(1.0));
    run.max_prompt_tokens = request.max_prompt_tokens.into_option();
    run.max_completion_tokens = request.max_completion_tokens.into_option();
    let auto = || TruncationStrategy::new(TruncationStrategyType::Auto);
    run.truncation_strategy = Some(request.truncation_strategy.into_option().unwrap_or_else(auto));
    run.tool_choice = Some(request.tool_choice.into_option().unwrap_or(ToolChoice::Auto));
    run.response_format = Some(ResponseFormat::Auto);
    run
}

fn instructions(assistant: &Assistant, request: &CreateRunRequest) -> String {
    let own = request.instructions.as_option().or(assistant.instructions.as_ref());
    let texts = [own, request.additional_instructions.as_option()];
    texts
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the action that a run requires: the outputs of the calls of a step.
pub(super) fn required_action(step: Option<&RunStep>) -> RequiredAction {
    let calls = match step.map(|step| &step.step_details) {
        Some(StepDetails::ToolCalls(details)) => details.tool_calls.as_slice(),
        _ => &[],
    };
    let required = calls.iter().filter_map(|call| match call {
        ToolCall::Function(call) => {
            let function = &call.function;
            let function = RequiredFunction::new(function.name.clone(), function.arguments.clone());
            let call = RequiredFunctionToolCall::new(call.id.clone(), function);
            Some(RequiredToolCall::Function(call))
        }
        _ => None,
    });
    let outputs = RequiredToolOutputs::new(required.collect::<Vec<_>>());
    SubmitToolOutputsAction::new(outputs).into()
}

/// Updates an optional field. An absent field changes nothing, and null removes the value.
pub(super) fn update<T>(current: &mut Option<T>, field: Field<T>) {
    match field {
        Field::Absent => {}
        Field::Null => *current = None,
        Field::Value(value) => *current = Some(value),
    }
}

/// Updates metadata, which may be empty but is always present.
pub(super) fn update_metadata(
    current: &mut Option<BTreeMap<String, String>>,
    field: Field<BTreeMap<String, String>>,
) {
    update(current, field);
    current.get_or_insert_default();
}

/// The metadata of an object.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) metadata: Option<BTreeMap<String, String>>,
}

/// Serializes a part of the server's own, or an object with such parts.
pub(super) fn json<T: Serialize>(object: &T) -> Bytes {
    let mut text = Vec::with_capacity(USUAL_OBJECT_BYTES);
    // Serializing the server's own objects cannot fail.
    let _ = serde_json::to_writer(&mut text, object);
    text.into_boxed_slice().into()
}

/// Serializes an object of the API to a text that can grow.
pub(super) fn json_text<T: Decode>(object: &T) -> Vec<u8> {
    let mut text = Vec::with_capacity(USUAL_OBJECT_BYTES);
    runstep_api::encode_into(object, &mut text);
    text
}

/// Serializes an object of the API.
pub(super) fn object_json<T: Decode>(object: &T) -> Bytes {
    json_text(object).into_boxed_slice().into()
}

/// Decodes a stored object of the API.
pub(super) fn decode<T: Decode>(json: &[u8]) -> Result<T, StoreError> {
    runstep_api::decode(json).map_err(|error| not_valid(&error))
}

/// Parses stored JSON. No bytes stand for an empty object.
pub(super) fn parse_stored<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, StoreError> {
    let json = if json.is_empty() { b"{}" } else { json };
    serde_json::from_slice(json).map_err(|error| not_valid(&error))
}

fn not_valid(error: &serde_json::Error) -> StoreError {
    StoreError::Unavailable(format!("a stored object is not valid: {error}").into())
}

/// Parses a stored object.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> super::error::Result<T> {
    Ok(parse_stored(json)?)
}

/// Returns the phase of a run with a status.
pub(super) fn phase(status: &RunStatus) -> Phase {
    match status {
        RunStatus::Queued => Phase::Queued,
        RunStatus::InProgress => Phase::InProgress,
        RunStatus::RequiresAction => Phase::RequiresAction,
        RunStatus::Cancelling => Phase::Cancelling,
        _ => Phase::Ended,
    }
}
