//! The body of a chat completion request.

use serde_json::{Value, json};

use crate::model::upstream::{TokenLimitField, Upstream, pending_choice, without_nulls};
use crate::model::{
    ConversationItem, Function, ModelRequest, ResponseFormat, ToolCall, ToolChoice, UserPart,
};

/// What a provider gets instead of an image in a file, which it does not have.
const MISSING_IMAGE: &str = "[An image that is not available.]";

/// Builds the request body. Fields with default values are omitted, because some providers reject
/// them.
pub(super) fn body(request: &ModelRequest, upstream: &Upstream) -> Value {
    let has_tools = !request.tools.is_empty();
    let token_limit = match upstream.settings.token_limit_field {
        TokenLimitField::MaxTokens => "max_tokens",
        TokenLimitField::MaxCompletionTokens => "max_completion_tokens",
    };
    without_nulls(json!({
        "model": upstream.settings.model_names.upstream(&request.model),
        "messages": messages(request),
        "stream": true,
        "stream_options": upstream.settings.stream_usage.then(|| json!({"include_usage": true})),
        "tools": has_tools.then(|| request.tools.iter().map(tool).collect::<Vec<_>>()),
        "tool_choice": choice(request).filter(|_| has_tools),
        "parallel_tool_calls": (has_tools && !request.parallel_tool_calls).then_some(false),
        "response_format": format(&request.response_format),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "reasoning_effort": request.reasoning_effort,
        token_limit: request.max_completion_tokens,
    }))
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

fn tool(function: &Function) -> Value {
    let function = without_nulls(json!({
        "name": function.name,
        "description": function.description,
        "parameters": function.parameters,
        "strict": function.strict.then_some(true),
    }));
    json!({"type": "function", "function": function})
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

fn format(format: &ResponseFormat) -> Option<Value> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(json!({"type": "json_object"})),
        ResponseFormat::JsonSchema(named) => {
            let schema = without_nulls(json!({
                "name": named.name,
                "description": named.description,
                "schema": named.schema,
                "strict": named.strict.then_some(true),
            }));
            Some(json!({"type": "json_schema", "json_schema": schema}))
        }
    }
}
