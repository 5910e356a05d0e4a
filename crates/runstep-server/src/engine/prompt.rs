//! Builds the request to the model from the thread and the run, truncated as the run specifies.

use runstep_api::types::{
    Message, MessageContent, MessageRole, MessageStatus, NamedToolChoiceType,
    ResponseFormat as Format, Run, RunIncompleteReason, RunStep, Tool, ToolChoice as Choice,
    TruncationStrategyType,
};

use super::context::EngineContext;
use super::error::Result;
use super::execution::server_error;
use super::finish::Outcome;
use super::hidden_step::HiddenStep;
use super::run_state::{RunState, created_message};
use super::{built_in_tools, conversation, objects};
use crate::model::{
    ConversationItem, Function, ModelRequest, NamedSchema, ResponseFormat, ToolChoice, UserPart,
    item_tokens, prompt_tokens,
};
use crate::store::{Collection, Kind, PageQuery, RunKey, StoreError};

/// How many messages are read at a time.
const PAGE: usize = 100;

/// Builds the request. Its cost depends on the length of the prompt, not of the thread.
///
/// # Errors
///
/// Returns how the run ends if the prompt exceeds the run's `max_prompt_tokens` even with a single
/// message, or if the messages cannot be read.
pub(super) async fn request(
    context: &EngineContext,
    key: &RunKey,
    state: &RunState,
) -> Result<ModelRequest, Outcome> {
    match build(context, key, state).await {
        Ok(Some(request)) => Ok(request),
        Ok(None) => Err(Outcome::Incomplete(RunIncompleteReason::MaxPromptTokens)),
        // The thread was deleted.
        Err(StoreError::Missing { .. }) => Err(Outcome::Cancelled),
        Err(_) => Err(Outcome::Failed(server_error("The messages could not be read."))),
    }
}

/// Builds the request. Returns `None` if the prompt is too long.
async fn build(
    context: &EngineContext,
    key: &RunKey,
    state: &RunState,
) -> Result<Option<ModelRequest>, StoreError> {
    let (run, used) = (&state.run, state.hidden.usage());
    let mut request = ModelRequest::new(run.model.clone().unwrap_or_default(), Vec::new());
    request.instructions = run.instructions.clone().filter(|text| !text.is_empty());
    request.tools = run.tools.iter().filter_map(function).collect();
    request.tool_choice = tool_choice(run.tool_choice.as_ref());
    request.parallel_tool_calls = run.parallel_tool_calls.unwrap_or(true);
    request.response_format = response_format(run.response_format.as_ref());
    request.temperature = run.temperature;
    request.top_p = run.top_p;
    request.reasoning_effort = state.hidden.reasoning_effort.as_ref().map(ToString::to_string);
    request.max_completion_tokens = run
        .max_completion_tokens
        .map(|limit| limit.saturating_sub(used.completion_tokens.unwrap_or_default()));

    let mut own_items = Vec::new();
    for step in state.steps.iter().map(|state| &state.step) {
        own_items.extend(step_items(context, key, step).await?);
    }
    let token_limit = run
        .max_prompt_tokens
        .map(|limit| limit.saturating_sub(used.prompt_tokens.unwrap_or_default()));
    let (max_messages, max_tokens) = match last_messages(run) {
        Some(count) => (count, token_limit.unwrap_or(u64::MAX)),
        None => (usize::MAX, token_limit.unwrap_or(u64::MAX).min(context.context_tokens)),
    };
    // The request has no conversation yet, only instructions and functions.
    let mut tokens = prompt_tokens(&request) + own_items.iter().map(item_tokens).sum::<u64>();
    let mut conversation = Vec::new();
    let mut attached = Vec::new();
    let mut after = None;
    'pages: loop {
        let query =
            PageQuery { limit: PAGE.min(max_messages), newest_first: true, after, before: None };
        let collection = Collection::messages(&key.thread);
        let page = context.store.page(&key.namespace, collection, None, query).await?;
        for object in &page.objects {
            let message: Message = objects::parse_stored(&object.json)?;
            if message.run_id.as_ref() == Some(&run.id) {
                continue;
            }
            attached.extend(built_in_tools::attached_files(&message));
            let item = message_item(&message);
            let item_tokens = item_tokens(&item);
            // Omits the oldest messages but always includes the newest, which the run responds to.
            if tokens + item_tokens > max_tokens && !conversation.is_empty() {
                break 'pages;
            }
            tokens += item_tokens;
            conversation.push(item);
            if conversation.len() >= max_messages {
                break 'pages;
            }
        }
        after = page.objects.into_iter().next_back().map(|object| object.id);
        if !page.has_more {
            break;
        }
    }
    if token_limit.is_some_and(|limit| tokens > limit) {
        return Ok(None);
    }
    conversation.reverse();
    conversation.extend(own_items);
    request.conversation = conversation;
    attached.reverse();
    built_in_tools::add(context, key, state, attached, &mut request).await?;
    Ok(Some(request))
}

/// Returns the number of messages of the truncation strategy `last_messages`.
fn last_messages(run: &Run) -> Option<usize> {
    let strategy = run.truncation_strategy.as_ref()?;
    (strategy.type_ == TruncationStrategyType::LastMessages).then(|| {
        let count = strategy.last_messages.into_option();
        count.map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX))
    })
}

fn message_item(message: &Message) -> ConversationItem {
    let is_image = |part: &MessageContent| {
        matches!(part, MessageContent::ImageUrl(_) | MessageContent::ImageFile(_))
    };
    let is_assistant = message.role == Some(MessageRole::Assistant);
    if !is_assistant && message.content.iter().any(is_image) {
        return ConversationItem::UserParts(message.content.iter().filter_map(user_part).collect());
    }
    let mut texts = message.content.iter().filter_map(|part| match part {
        MessageContent::Text(content) => Some(conversation::without_markers(&content.text)),
        MessageContent::Refusal(content) => Some(content.refusal.as_str().into()),
        _ => None,
    });
    // Most messages have one text, which needs no concatenation.
    let mut text = texts.next().unwrap_or_default().into_owned();
    for more in texts {
        text.push('\n');
        text.push_str(&more);
    }
    if is_assistant { ConversationItem::Assistant(text) } else { ConversationItem::User(text) }
}

fn user_part(part: &MessageContent) -> Option<UserPart> {
    match part {
        MessageContent::Text(content) => Some(UserPart::Text(content.text.value.clone())),
        MessageContent::ImageUrl(content) => Some(UserPart::Image {
            url: content.image_url.url.clone(),
            detail: content.image_url.detail.as_ref().map(ToString::to_string),
        }),
        MessageContent::ImageFile(content) => Some(UserPart::ImageFile {
            file_id: content.image_file.file_id.clone(),
            detail: content.image_file.detail.as_ref().map(ToString::to_string),
        }),
        _ => None,
    }
}

/// Returns the conversation items of a step of this run. Messages and calls that are not complete
/// are the output of a request that is repeated.
async fn step_items(
    context: &EngineContext,
    key: &RunKey,
    step: &RunStep,
) -> Result<Vec<ConversationItem>, StoreError> {
    if let Some(id) = created_message(step) {
        let collection = Collection::messages(&key.thread);
        let object = match context.store.object(&key.namespace, collection, &id).await {
            Err(StoreError::Missing { kind: Kind::Message, .. }) => return Ok(Vec::new()),
            object => object?,
        };
        let message: Message = objects::parse_stored(&object.json)?;
        if message.status != Some(MessageStatus::Completed) {
            return Ok(Vec::new());
        }
        let hidden = HiddenStep::of(step);
        let reasoning = conversation::reasoning(&hidden, 0);
        return Ok(reasoning.chain([message_item(&message)]).collect());
    }
    Ok(conversation::call_items(step))
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
        Some(Choice::Named(named)) => match (&named.type_, &named.function) {
            (NamedToolChoiceType::CodeInterpreter, _) => ToolChoice::CodeInterpreter,
            (NamedToolChoiceType::FileSearch, _) => ToolChoice::FileSearch,
            (_, Some(function)) => ToolChoice::Function(function.name.clone()),
            _ => ToolChoice::Auto,
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
