//! The body of a chat completion request.

use serde::Serialize;
use serde_json::{Map, Value};

use super::upstream::{TokenLimitField, Upstream};
use crate::model::{
    ConversationItem, Function, ModelRequest, ResponseFormat, ToolChoice, UserPart,
};

/// The request body. Fields with default values are omitted, because some providers reject them.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Typed<Tool<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'a> {
    System { content: &'a str },
    User { content: Content<'a> },
    Assistant(AssistantMessage<'a>),
    Tool { tool_call_id: &'a str, content: &'a str },
}

#[derive(Serialize)]
struct AssistantMessage<'a> {
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: Image<'a> },
}

#[derive(Serialize)]
struct Image<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(flatten)]
    call: Typed<FunctionCall<'a>>,
}

/// The wrapper of functions in tools, calls and choices: `{"type": "function", "function": …}`.
#[derive(Serialize)]
#[serde(tag = "type", content = "function", rename_all = "lowercase")]
enum Typed<T> {
    Function(T),
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Mode(&'static str),
    Named(Typed<FunctionName<'a>>),
}

#[derive(Serialize)]
struct FunctionName<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonObject,
    JsonSchema { json_schema: Schema<'a> },
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a Value,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(request: &'a ModelRequest, upstream: &'a Upstream) -> Self {
        let has_tools = !request.tools.is_empty();
        let limit = request.max_completion_tokens;
        let (max_tokens, max_completion_tokens) = match upstream.token_limit_field {
            TokenLimitField::MaxTokens => (limit, None),
            TokenLimitField::MaxCompletionTokens => (None, limit),
        };
        Self {
            model: upstream.model_names.upstream(&request.model),
            messages: messages(request),
            stream: true,
            stream_options: upstream.stream_usage.then_some(StreamOptions { include_usage: true }),
            tools: request.tools.iter().map(tool).collect(),
            tool_choice: choice(request).filter(|_| has_tools),
            parallel_tool_calls: (has_tools && !request.parallel_tool_calls).then_some(false),
            response_format: format(&request.response_format),
            temperature: request.temperature,
            top_p: request.top_p,
            reasoning_effort: request.reasoning_effort.as_deref(),
            max_tokens,
            max_completion_tokens,
        }
    }
}

fn messages(request: &ModelRequest) -> Vec<Message<'_>> {
    let mut messages: Vec<Message<'_>> =
        request.instructions.iter().map(|content| Message::System { content }).collect();
    for item in &request.conversation {
        match item {
            ConversationItem::User(text) => {
                messages.push(Message::User { content: Content::Text(text) });
            }
            ConversationItem::UserParts(parts) => {
                let content = Content::Parts(parts.iter().map(part).collect());
                messages.push(Message::User { content });
            }
            ConversationItem::Assistant(text) => {
                let message = AssistantMessage { content: Some(text), tool_calls: Vec::new() };
                messages.push(Message::Assistant(message));
            }
            ConversationItem::ToolCalls(calls) => {
                let calls = calls.iter().map(|call| Call {
                    id: &call.id,
                    call: Typed::Function(FunctionCall {
                        name: &call.name,
                        arguments: &call.arguments,
                    }),
                });
                // Text before calls belongs to the same response.
                match messages.last_mut() {
                    Some(Message::Assistant(message)) if message.tool_calls.is_empty() => {
                        message.tool_calls = calls.collect();
                    }
                    _ => messages.push(Message::Assistant(AssistantMessage {
                        content: None,
                        tool_calls: calls.collect(),
                    })),
                }
            }
            ConversationItem::ToolOutput { call_id, output } => {
                messages.push(Message::Tool { tool_call_id: call_id, content: output });
            }
        }
    }
    messages
}

fn part(part: &UserPart) -> Part<'_> {
    match part {
        UserPart::Text(text) => Part::Text { text },
        UserPart::Image { url, detail } => {
            Part::ImageUrl { image_url: Image { url, detail: detail.as_deref() } }
        }
    }
}

fn tool(function: &Function) -> Typed<Tool<'_>> {
    Typed::Function(Tool {
        name: &function.name,
        description: function.description.as_deref(),
        parameters: function.parameters.as_ref(),
        strict: function.strict,
    })
}

/// Returns the tool choice. A required call is required only once, or else the model could never
/// respond to its output.
fn choice(request: &ModelRequest) -> Option<Choice<'_>> {
    match &request.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(Choice::Mode("none")),
        ToolChoice::Required => {
            (!has_called(request, |_| true)).then_some(Choice::Mode("required"))
        }
        ToolChoice::Function(name) => (!has_called(request, |other| other == name))
            .then_some(Choice::Named(Typed::Function(FunctionName { name }))),
    }
}

/// Returns whether a matching function was called since the last user message.
fn has_called(request: &ModelRequest, matches: impl Fn(&str) -> bool) -> bool {
    let response = request.conversation.iter().rev().take_while(|item| {
        !matches!(item, ConversationItem::User(_) | ConversationItem::UserParts(_))
    });
    let mut calls = response.filter_map(|item| match item {
        ConversationItem::ToolCalls(calls) => Some(calls),
        _ => None,
    });
    calls.any(|calls| calls.iter().any(|call| matches(&call.name)))
}

fn format(format: &ResponseFormat) -> Option<Format<'_>> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(Format::JsonObject),
        ResponseFormat::JsonSchema(named) => Some(Format::JsonSchema {
            json_schema: Schema {
                name: &named.name,
                description: named.description.as_deref(),
                schema: &named.schema,
                strict: named.strict,
            },
        }),
    }
}
