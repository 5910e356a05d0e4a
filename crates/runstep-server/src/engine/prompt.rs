//! Builds the request to the model from the thread and the run, truncated as the run specifies.

use runstep_api::types::{
    Message, MessageContent, MessageRole, ResponseFormat as Format, Run, RunStep, StepDetails,
    Tool, ToolCall as Call, ToolChoice as Choice, TruncationStrategyType,
};

use crate::model::{
    ConversationItem, Function, ModelRequest, NamedSchema, ResponseFormat, ToolCall, ToolChoice,
    UserPart, item_tokens, prompt_tokens,
};
use crate::store::{Ordered, RunState};

/// Builds the request. Its cost depends on the length of the prompt, not of the thread.
///
/// # Errors
///
/// Returns an error if the prompt exceeds the run's `max_prompt_tokens` even with a single message.
pub(super) fn request(
    state: &RunState,
    messages: &Ordered<Message>,
    context_tokens: u64,
) -> Result<ModelRequest, PromptTooLong> {
    let run = &state.run;
    let mut request = ModelRequest::new(run.model.clone().unwrap_or_default(), Vec::new());
    request.instructions = run.instructions.clone().filter(|text| !text.is_empty());
    request.tools = run.tools.iter().filter_map(function).collect();
    request.tool_choice = tool_choice(run.tool_choice.as_ref());
    request.parallel_tool_calls = run.parallel_tool_calls.unwrap_or(true);
    request.response_format = response_format(run.response_format.as_ref());
    request.temperature = run.temperature;
    request.top_p = run.top_p;
    request.reasoning_effort = state.reasoning_effort.as_ref().map(ToString::to_string);
    request.max_completion_tokens = run
        .max_completion_tokens
        .map(|limit| limit.saturating_sub(state.usage.completion_tokens.unwrap_or_default()));

    let own_items: Vec<ConversationItem> =
        state.steps.iter().flat_map(|step| step_items(step, messages)).collect();
    let token_limit = run
        .max_prompt_tokens
        .map(|limit| limit.saturating_sub(state.usage.prompt_tokens.unwrap_or_default()));
    let (max_messages, max_tokens) = match last_messages(run) {
        Some(count) => (count, token_limit.unwrap_or(u64::MAX)),
        None => (usize::MAX, token_limit.unwrap_or(u64::MAX).min(context_tokens)),
    };
    // The request has no conversation yet, only instructions and functions.
    let mut tokens = prompt_tokens(&request) + own_items.iter().map(item_tokens).sum::<u64>();
    let mut conversation = Vec::new();
    let earlier = messages.iter().rev().filter(|message| message.run_id.as_ref() != Some(&run.id));
    for message in earlier.take(max_messages) {
        let item = message_item(message);
        let item_tokens = item_tokens(&item);
        // Omits the oldest messages but always includes the newest, which the run responds to.
        if tokens + item_tokens > max_tokens && !conversation.is_empty() {
            break;
        }
        tokens += item_tokens;
        conversation.push(item);
    }
    if token_limit.is_some_and(|limit| tokens > limit) {
        return Err(PromptTooLong);
    }
    conversation.reverse();
    conversation.extend(own_items);
    request.conversation = conversation;
    Ok(request)
}

/// Returns the number of messages of the truncation strategy `last_messages`.
fn last_messages(run: &Run) -> Option<usize> {
    let strategy = run.truncation_strategy.as_ref()?;
    (strategy.type_ == TruncationStrategyType::LastMessages).then(|| {
        let count = strategy.last_messages.into_option();
        count.map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX))
    })
}

/// The error that the prompt exceeds the run's `max_prompt_tokens`.
#[derive(Debug)]
pub(super) struct PromptTooLong;

fn message_item(message: &Message) -> ConversationItem {
    if message.content.iter().any(|part| matches!(part, MessageContent::ImageUrl(_))) {
        return ConversationItem::UserParts(message.content.iter().filter_map(user_part).collect());
    }
    let mut texts = message.content.iter().filter_map(|part| match part {
        MessageContent::Text(content) => Some(content.text.value.as_str()),
        MessageContent::Refusal(content) => Some(content.refusal.as_str()),
        _ => None,
    });
    // Most messages have one text, which needs no concatenation.
    let mut text = texts.next().unwrap_or_default().to_owned();
    for more in texts {
        text.push('\n');
        text.push_str(more);
    }
    match message.role {
        Some(MessageRole::Assistant) => ConversationItem::Assistant(text),
        _ => ConversationItem::User(text),
    }
}

fn user_part(part: &MessageContent) -> Option<UserPart> {
    match part {
        MessageContent::Text(content) => Some(UserPart::Text(content.text.value.clone())),
        MessageContent::ImageUrl(content) => Some(UserPart::Image {
            url: content.image_url.url.clone(),
            detail: content.image_url.detail.as_ref().map(ToString::to_string),
        }),
        _ => None,
    }
}

/// Returns the conversation items of a step of this run.
fn step_items(step: &RunStep, messages: &Ordered<Message>) -> Vec<ConversationItem> {
    match &step.step_details {
        StepDetails::MessageCreation(details) => messages
            .get(&details.message_creation.message_id)
            .map(message_item)
            .into_iter()
            .collect(),
        StepDetails::ToolCalls(details) => {
            let calls: Vec<_> = details
                .tool_calls
                .iter()
                .filter_map(|call| match call {
                    Call::Function(call) => Some(call),
                    _ => None,
                })
                .collect();
            let tool_calls = calls.iter().map(|call| ToolCall {
                id: call.id.clone(),
                name: call.function.name.clone(),
                arguments: call.function.arguments.clone(),
            });
            let mut items = vec![ConversationItem::ToolCalls(tool_calls.collect())];
            items.extend(calls.iter().map(|call| ConversationItem::ToolOutput {
                call_id: call.id.clone(),
                output: call.function.output.clone().unwrap_or_default(),
            }));
            items
        }
        _ => Vec::new(),
    }
}

fn function(tool: &Tool) -> Option<Function> {
    let Tool::Function(tool) = tool else { return None };
    Some(Function {
        name: tool.function.name.clone(),
        description: tool.function.description.clone(),
        parameters: tool
            .function
            .parameters
            .as_ref()
            .and_then(runstep_api::JsonObject::as_map)
            .cloned(),
        strict: tool.function.strict.into_option().unwrap_or(false),
    })
}

fn tool_choice(choice: Option<&Choice>) -> ToolChoice {
    match choice {
        Some(Choice::None) => ToolChoice::None,
        Some(Choice::Required) => ToolChoice::Required,
        Some(Choice::Named(named)) => match &named.function {
            Some(function) => ToolChoice::Function(function.name.clone()),
            None => ToolChoice::Auto,
        },
        _ => ToolChoice::Auto,
    }
}

fn response_format(format: Option<&Format>) -> ResponseFormat {
    match format {
        Some(Format::JsonObject(_)) => ResponseFormat::JsonObject,
        Some(Format::JsonSchema(format)) => {
            let definition = &format.json_schema;
            ResponseFormat::JsonSchema(NamedSchema {
                name: definition.name.clone(),
                description: definition.description.clone(),
                schema: definition.schema.clone().unwrap_or_default().into_value(),
                strict: definition.strict.into_option().unwrap_or(false),
            })
        }
        _ => ResponseFormat::Text,
    }
}
