//! What the model is asked: the thread and the run so far, cut as the run says.

use runstep_api::types::{
    Message, MessageContent, MessageRole, ResponseFormat as Format, Run, RunStep, StepDetails,
    Tool, ToolCall as Call, ToolChoice as Choice, TruncationStrategyType,
};
use serde_json::Value;

use crate::model::{
    ConversationItem, Function, ModelRequest, NamedSchema, ResponseFormat, ToolCall, ToolChoice,
    UserPart, item_tokens, prompt_tokens,
};
use crate::store::{Ordered, RunState};

/// Builds the request, or says that it cannot be made short enough for `max_prompt_tokens`. What it
/// costs depends on what is asked of the model, not on how long the thread is.
pub(super) fn request(
    state: &RunState,
    messages: &Ordered<Message>,
    context_tokens: u64,
) -> Result<ModelRequest, TooLong> {
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
    request.max_completion_tokens =
        run.max_completion_tokens.map(|limit| limit.saturating_sub(state.used.completion_tokens));

    let during: Vec<ConversationItem> =
        state.steps.iter().flat_map(|step| done(step, messages)).collect();
    let allowed = run.max_prompt_tokens.map(|limit| limit.saturating_sub(state.used.prompt_tokens));
    let (most, room) = match last_messages(run) {
        Some(count) => (count, allowed.unwrap_or(u64::MAX)),
        None => (usize::MAX, allowed.unwrap_or(u64::MAX).min(context_tokens)),
    };
    // Of the instructions and the functions: there is no conversation in it yet.
    let mut total = prompt_tokens(&request) + during.iter().map(item_tokens).sum::<u64>();
    let mut conversation = Vec::new();
    let earlier = messages.iter().rev().filter(|one| one.run_id.as_ref() != Some(&run.id));
    for message in earlier.take(most) {
        let item = said(message);
        let tokens = item_tokens(&item);
        // The oldest are left out; the newest is what the run is about.
        if total + tokens > room && !conversation.is_empty() {
            break;
        }
        total += tokens;
        conversation.push(item);
    }
    if allowed.is_some_and(|allowed| total > allowed) {
        return Err(TooLong);
    }
    conversation.reverse();
    conversation.extend(during);
    request.conversation = conversation;
    Ok(request)
}

/// How many messages a run asks for, if it does.
fn last_messages(run: &Run) -> Option<usize> {
    let strategy = run.truncation_strategy.as_ref()?;
    (strategy.type_ == TruncationStrategyType::LastMessages).then(|| {
        let count = strategy.last_messages.into_option();
        count.map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX))
    })
}

/// The conversation does not fit the run's `max_prompt_tokens`.
#[derive(Debug)]
pub(super) struct TooLong;

fn said(message: &Message) -> ConversationItem {
    if message.content.iter().any(|part| matches!(part, MessageContent::ImageUrl(_))) {
        return ConversationItem::UserParts(message.content.iter().filter_map(shown).collect());
    }
    let mut texts = message.content.iter().filter_map(|part| match part {
        MessageContent::Text(content) => Some(content.text.value.as_str()),
        MessageContent::Refusal(content) => Some(content.refusal.as_str()),
        _ => None,
    });
    // Nearly always there is one.
    let mut text = texts.next().unwrap_or_default().to_owned();
    for more in texts {
        text.push('\n');
        text.push_str(more);
    }
    match message.role {
        MessageRole::Assistant => ConversationItem::Assistant(text),
        _ => ConversationItem::User(text),
    }
}

fn shown(part: &MessageContent) -> Option<UserPart> {
    match part {
        MessageContent::Text(content) => Some(UserPart::Text(content.text.value.clone())),
        MessageContent::ImageUrl(content) => Some(UserPart::Image {
            url: content.image_url.url.clone(),
            detail: content.image_url.detail.as_ref().map(ToString::to_string),
        }),
        _ => None,
    }
}

/// What a step of this run adds to the conversation.
fn done(step: &RunStep, messages: &Ordered<Message>) -> Vec<ConversationItem> {
    match &step.step_details {
        StepDetails::MessageCreation(details) => {
            messages.get(&details.message_creation.message_id).map(said).into_iter().collect()
        }
        StepDetails::ToolCalls(details) => {
            let calls: Vec<_> = details
                .tool_calls
                .iter()
                .filter_map(|call| match call {
                    Call::Function(call) => Some(call),
                    _ => None,
                })
                .collect();
            let made = calls.iter().map(|call| ToolCall {
                id: call.id.clone(),
                name: call.function.name.clone(),
                arguments: call.function.arguments.clone(),
            });
            let mut items = vec![ConversationItem::ToolCalls(made.collect())];
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
        parameters: tool.function.parameters.clone(),
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
                schema: Value::Object(definition.schema.clone().unwrap_or_default()),
                strict: definition.strict.into_option().unwrap_or(false),
            })
        }
        _ => ResponseFormat::Text,
    }
}
