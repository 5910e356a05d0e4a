//! The body of a chat completion request.

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::upstream::{TokenLimitField, Upstream, pending_choice, without_nulls};
use crate::model::{
    ConversationItem, Function, ModelRequest, ResponseFormat, SchemaText, ToolCall, ToolChoice,
    UserPart,
};

/// What a provider gets instead of an image in a file, which it does not have.
const MISSING_IMAGE: &str = "[An image that is not available.]";

/// The request body. Fields with default values are omitted, because some providers reject them.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Value>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<FormatBody<'a>>,
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

/// A tool. Its schema is text, which is not parsed.
#[derive(Serialize)]
struct ToolBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionBody<'a>,
}

#[derive(Serialize)]
struct FunctionBody<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a SchemaText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FormatBody<'a> {
    JsonObject,
    JsonSchema { json_schema: SchemaBody<'a> },
}

#[derive(Serialize)]
struct SchemaBody<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a SchemaText,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Builds the request body.
pub(super) fn body(request: &ModelRequest, upstream: &Upstream) -> Vec<u8> {
    let has_tools = !request.tools.is_empty();
    let limit = request.max_completion_tokens;
    let (max_tokens, max_completion_tokens) = match upstream.settings.token_limit_field {
        TokenLimitField::MaxTokens => (limit, None),
        TokenLimitField::MaxCompletionTokens => (None, limit),
    };
    let body = Body {
        model: upstream.settings.model_names.upstream(&request.model),
        messages: messages(request),
        stream: true,
        stream_options: upstream.settings.stream_usage.then(|| json!({"include_usage": true})),
        tools: request.tools.iter().map(tool).collect(),
        tool_choice: choice(request).filter(|_| has_tools),
        parallel_tool_calls: (has_tools && !request.parallel_tool_calls).then_some(false),
        response_format: format(&request.response_format),
        temperature: request.temperature,
        top_p: request.top_p,
        reasoning_effort: request.reasoning_effort.as_deref(),
        max_tokens,
        max_completion_tokens,
    };
    // Serializing to memory cannot fail.
    serde_json::to_vec(&body).unwrap_or_default()
}

fn messages(request: &ModelRequest) -> Vec<Value> {
    let system = |text: &String| json!({"role": "system", "content": text});
    let mut messages: Vec<Value> = request.instructions.iter().map(system).collect();
    for item in &request.conversation {
        let message = match item {
            ConversationItem::User(text) => json!({"role": "user", "content": text}),
            ConversationItem::UserParts(parts) => {
                json!({"role": "user", "content": parts.iter().map(part).collect::<Vec<_>>()})
            }
            ConversationItem::Assistant(text) => json!({"role": "assistant", "content": text}),
            ConversationItem::ToolCalls(calls) => {
                let calls: Vec<Value> = calls.iter().map(call).collect();
                // Text before calls belongs to the same response.
                if let Some(last) = messages.last_mut()
                    && last["role"] == "assistant"
                    && last.get("tool_calls").is_none()
                {
                    last["tool_calls"] = calls.into();
                    continue;
                }
                json!({"role": "assistant", "content": null, "tool_calls": calls})
            }
            ConversationItem::ToolOutput { call_id, output } => {
                json!({"role": "tool", "tool_call_id": call_id, "content": output})
            }
            // From runs before the server was started with this model.
            ConversationItem::CodeInterpreterCall(_)
            | ConversationItem::FileSearchCall(_)
            | ConversationItem::Reasoning(_) => continue,
        };
        messages.push(message);
    }
    messages
}

fn part(part: &UserPart) -> Value {
    match part {
        UserPart::Text(text) => json!({"type": "text", "text": text}),
        UserPart::Image { url, detail } => {
            let image = without_nulls(json!({"url": url, "detail": detail}));
            json!({"type": "image_url", "image_url": image})
        }
        UserPart::ImageFile { .. } => json!({"type": "text", "text": MISSING_IMAGE}),
    }
}

fn call(call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments});
    json!({"id": call.id, "type": "function", "function": function})
}

fn tool(function: &Function) -> ToolBody<'_> {
    let function = FunctionBody {
        name: &function.name,
        description: function.description.as_deref(),
        parameters: function.parameters.as_ref(),
        strict: function.strict.then_some(true),
    };
    ToolBody { kind: "function", function }
}

fn choice(request: &ModelRequest) -> Option<Value> {
    match pending_choice(request)? {
        ToolChoice::None => Some("none".into()),
        ToolChoice::Required => Some("required".into()),
        ToolChoice::Function(name) => Some(json!({"type": "function", "function": {"name": name}})),
        // Only models that execute built-in tools get the others.
        _ => None,
    }
}

fn format(format: &ResponseFormat) -> Option<FormatBody<'_>> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(FormatBody::JsonObject),
        ResponseFormat::JsonSchema(named) => Some(FormatBody::JsonSchema {
            json_schema: SchemaBody {
                name: &named.name,
                description: named.description.as_deref(),
                schema: &named.schema,
                strict: named.strict.then_some(true),
            },
        }),
    }
}
