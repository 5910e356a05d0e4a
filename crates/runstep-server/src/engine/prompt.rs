//! Builds the request to the model from the thread and the run, truncated as the run specifies.

use runstep_api::types::{
    Message, MessageContent, MessageRole, MessageStatus, NamedToolChoiceType, Run,
    RunIncompleteReason, RunStep, ToolChoice as Choice, TruncationStrategyType,
};

use super::context::EngineContext;
use super::context_cache::CachedContext;
use super::execution::server_error;
use super::finish::Outcome;
use super::hidden_step::HiddenStep;
use super::run_state::{RunState, created_message};
use super::{built_in_tools, conversation, history, objects};
use crate::model::{
    Conversation, ConversationItem, ModelRequest, ToolChoice, UserPart, item_tokens, prompt_tokens,
};
use crate::store::{Collection, ContextQuery, Kind, PageQuery, RunKey, StoreError};

/// The part of a prompt that the first message of a thread can have, if the thread is truncated: one
/// of this many.
const MAX_FIRST_MESSAGE_SHARE: u64 = 4;

/// Builds the request. Its cost depends on the length of the prompt, not of the thread.
///
/// # Errors
///
/// Returns how the run ends if the prompt exceeds the run's `max_prompt_tokens` even with a single
/// message, or if the messages cannot be read.
pub(super) async fn request(
    context: &EngineContext,
    key: &RunKey,
    state: &mut RunState,
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
    state: &mut RunState,
) -> Result<Option<ModelRequest>, StoreError> {
    let known = state.thread_items.take();
    let (run, used) = (&state.run, state.hidden.usage());
    let mut request = ModelRequest::new(run.model.clone().unwrap_or_default(), Vec::new());
    request.instructions = run.instructions.clone().filter(|text| !text.is_empty());
    request.tools = state.texts.functions()?;
    request.tool_choice = tool_choice(run.tool_choice.as_ref());
    request.parallel_tool_calls = run.parallel_tool_calls.unwrap_or(true);
    request.response_format = state.texts.response_format()?;
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
    let context_limit = last_messages(run).map_or(context.context_tokens, |_| u64::MAX);
    let max_tokens = token_limit.unwrap_or(u64::MAX).min(context_limit);
    // The request has no conversation yet, only instructions and functions.
    let own_tokens = prompt_tokens(&request) + own_items.iter().map(item_tokens).sum::<u64>();
    let max_tokens = max_tokens.saturating_sub(own_tokens);
    request.conversation = match last_messages(run) {
        Some(max_messages) => {
            let query = ContextQuery { max_tokens, max_messages, after: None };
            let read = context.store.context(key, query).await?;
            let mut conversation =
                Conversation::from(history::items(context, key, &read.messages).await?);
            // The calls of earlier runs are not in the limits of the read.
            conversation.truncate_oldest(max_tokens);
            conversation
        }
        None => newest_messages(context, key, known, max_tokens).await?,
    };
    let tokens = own_tokens + request.conversation.tokens();
    if token_limit.is_some_and(|limit| tokens > limit) {
        return Ok(None);
    }
    request.conversation.extend(own_items);
    built_in_tools::add(context, key, state, &mut request).await?;
    Ok(Some(request))
}

/// Returns the messages of the thread that fit into a prompt. Always includes the newest, which the
/// run responds to.
async fn newest_messages(
    context: &EngineContext,
    key: &RunKey,
    known: Option<Conversation>,
    max_tokens: u64,
) -> Result<Conversation, StoreError> {
    if let Some(conversation) = known {
        return with_first_message(context, key, conversation, max_tokens).await;
    }
    let cached = context.context_cache.take(key);
    // What is cached is enough for the longest prompt of any run.
    let query = ContextQuery {
        max_tokens: context.context_tokens,
        max_messages: usize::MAX,
        after: cached.as_ref().map(|cached| cached.mark),
    };
    let read = context.store.context(key, query).await?;
    let mut conversation = match cached {
        Some(cached) if read.is_continuation => cached.conversation,
        _ => Conversation::new(),
    };
    conversation.extend(history::items(context, key, &read.messages).await?);
    conversation.truncate_oldest(context.context_tokens);
    let cached = CachedContext { conversation: conversation.clone(), mark: read.mark };
    context.context_cache.insert(key, cached);
    with_first_message(context, key, conversation, max_tokens).await
}

/// Truncates a conversation in its middle: keeps the first message of the thread and the newest
/// items. Omits a long first message, too.
async fn with_first_message(
    context: &EngineContext,
    key: &RunKey,
    conversation: Conversation,
    max_tokens: u64,
) -> Result<Conversation, StoreError> {
    let mut newest = conversation.clone();
    newest.truncate_oldest(max_tokens);
    // A conversation that is truncated is about as long as the limit.
    if newest.tokens() < max_tokens / 2 {
        return Ok(newest);
    }
    let query = PageQuery { limit: 1, newest_first: false, after: None, before: None };
    let collection = Collection::messages(&key.thread);
    let page = context.store.page(&key.namespace, collection, None, query).await?;
    let Some(first) = page.objects.first() else { return Ok(newest) };
    let first = message_item(&objects::decode(&first.json)?);
    let tokens = item_tokens(&first);
    if newest.iter().next() == Some(&first) || tokens > max_tokens / MAX_FIRST_MESSAGE_SHARE {
        return Ok(newest);
    }
    let mut truncated = conversation;
    truncated.truncate_oldest(max_tokens - tokens);
    if truncated.tokens() + tokens > max_tokens {
        return Ok(newest);
    }
    truncated.insert_first(first);
    Ok(truncated)
}

/// Returns the number of messages of the truncation strategy `last_messages`.
fn last_messages(run: &Run) -> Option<usize> {
    let strategy = run.truncation_strategy.as_ref()?;
    (strategy.type_ == TruncationStrategyType::LastMessages).then(|| {
        let count = strategy.last_messages.into_option();
        count.map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX))
    })
}

/// Estimates the tokens of a message in a prompt.
pub(super) fn message_tokens(message: &Message) -> u64 {
    item_tokens(&message_item(message))
}

pub(super) fn message_item(message: &Message) -> ConversationItem {
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
        let message: Message = objects::decode(&object.json)?;
        if message.status != Some(MessageStatus::Completed) {
            return Ok(Vec::new());
        }
        let hidden = HiddenStep::of(step);
        let reasoning = conversation::reasoning(&hidden, 0);
        return Ok(reasoning.chain([message_item(&message)]).collect());
    }
    Ok(conversation::call_items(step))
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
