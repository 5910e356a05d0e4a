//! The body of a request.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::upstream::{Upstream, pending_choice, without_nulls};
use crate::model::{
    CodeInterpreterCall, CodeOutput, ConversationItem, FileSearchCall, Function, ModelRequest,
    ResponseFormat, SchemaText, ToolChoice, UserPart,
};

/// The default of `temperature` and `top_p`. Reasoning models reject both, even with this value.
const DEFAULT_SAMPLING: f64 = 1.0;

/// The request body. Fields with default values are omitted, because some providers reject them.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    input: Vec<Value>,
    stream: bool,
    store: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
}

/// A tool. The schema of a function is text, which is not parsed.
#[derive(Serialize)]
#[serde(untagged)]
enum ToolBody<'a> {
    Function {
        #[serde(rename = "type")]
        kind: &'static str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        parameters: Cow<'a, SchemaText>,
        /// The endpoint's default is not the one of the Assistants API.
        strict: bool,
    },
    BuiltIn(Value),
}

#[derive(Serialize)]
struct TextBody<'a> {
    format: FormatBody<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FormatBody<'a> {
    JsonObject,
    JsonSchema {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        schema: &'a SchemaText,
        strict: bool,
    },
}

/// Builds the request body. `with_reasoning` requests reasoning in a form that can be sent back.
pub(super) fn body(request: &ModelRequest, upstream: &Upstream, with_reasoning: bool) -> Vec<u8> {
    let tools = tools(request);
    let has_tools = !tools.is_empty();
    let included = [
        (request.code_interpreter.is_some(), "code_interpreter_call.outputs"),
        (searches(request), "file_search_call.results"),
        (with_reasoning, "reasoning.encrypted_content"),
    ];
    let included = included.into_iter().filter(|(is_included, _)| *is_included);
    let body = Body {
        model: upstream.settings.model_names.upstream(&request.model),
        instructions: request.instructions.as_deref(),
        input: input(request, with_reasoning),
        stream: true,
        store: false,
        include: included.map(|(_, name)| name).collect(),
        tools,
        tool_choice: choice(request).filter(|_| has_tools),
        parallel_tool_calls: (has_tools && !request.parallel_tool_calls).then_some(false),
        text: format(&request.response_format).map(|format| TextBody { format }),
        temperature: request.temperature.filter(|value| *value != DEFAULT_SAMPLING),
        top_p: request.top_p.filter(|value| *value != DEFAULT_SAMPLING),
        reasoning: request.reasoning_effort.as_ref().map(|effort| json!({"effort": effort})),
        max_output_tokens: request.max_completion_tokens,
    };
    // Serializing to memory cannot fail.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Returns whether the model can search: providers reject the tool without vector stores.
fn searches(request: &ModelRequest) -> bool {
    request.file_search.as_ref().is_some_and(|search| !search.vector_store_ids.is_empty())
}

fn tools(request: &ModelRequest) -> Vec<ToolBody<'_>> {
    let mut tools: Vec<ToolBody<'_>> = request.tools.iter().map(function).collect();
    if let Some(search) = request.file_search.as_ref().filter(|_| searches(request)) {
        let ranking = search.score_threshold.map(|score| json!({"score_threshold": score}));
        tools.push(ToolBody::BuiltIn(without_nulls(json!({
            "type": "file_search",
            "vector_store_ids": search.vector_store_ids,
            "max_num_results": search.max_num_results,
            "ranking_options": ranking,
        }))));
    }
    if let Some(tool) = &request.code_interpreter {
        let files = (!tool.file_ids.is_empty()).then_some(&tool.file_ids);
        // With the calls in the input, the provider uses their container again while it is alive.
        let container = without_nulls(json!({"type": "auto", "file_ids": files}));
        let tool = json!({"type": "code_interpreter", "container": container});
        tools.push(ToolBody::BuiltIn(tool));
    }
    tools
}

fn function(function: &Function) -> ToolBody<'_> {
    let parameters = match &function.parameters {
        Some(parameters) => Cow::Borrowed(parameters),
        None => Cow::Owned(json!({"type": "object", "properties": {}}).into()),
    };
    ToolBody::Function {
        kind: "function",
        name: &function.name,
        description: function.description.as_deref(),
        parameters,
        strict: function.strict,
    }
}

fn choice(request: &ModelRequest) -> Option<Value> {
    match pending_choice(request)? {
        ToolChoice::Auto => None,
        ToolChoice::None => Some("none".into()),
        ToolChoice::Required => Some("required".into()),
        ToolChoice::Function(name) => Some(json!({"type": "function", "name": name})),
        ToolChoice::CodeInterpreter => {
            request.code_interpreter.as_ref().map(|_| json!({"type": "code_interpreter"}))
        }
        ToolChoice::FileSearch => searches(request).then(|| json!({"type": "file_search"})),
    }
}

fn format(format: &ResponseFormat) -> Option<FormatBody<'_>> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(FormatBody::JsonObject),
        ResponseFormat::JsonSchema(named) => Some(FormatBody::JsonSchema {
            name: &named.name,
            description: named.description.as_deref(),
            schema: &named.schema,
            strict: named.strict,
        }),
    }
}

fn input(request: &ModelRequest, with_reasoning: bool) -> Vec<Value> {
    let has_reasoning = has_reasoning(request);
    let mut input = Vec::new();
    for item in &request.conversation {
        match item {
            // Providers reject calls without the reasoning that preceded them.
            ConversationItem::Reasoning(_)
            | ConversationItem::CodeInterpreterCall(_)
            | ConversationItem::FileSearchCall(_)
                if has_reasoning && !with_reasoning => {}
            ConversationItem::User(text) => {
                input.push(user(vec![json!({"type": "input_text", "text": text})]));
            }
            ConversationItem::UserParts(parts) => {
                input.push(user(parts.iter().map(part).collect()));
            }
            ConversationItem::Assistant(text) => {
                // A list of parts would need the id of the provider's message.
                input.push(json!({"type": "message", "role": "assistant", "content": text}));
            }
            ConversationItem::ToolCalls(calls) => input.extend(calls.iter().map(|call| {
                json!({
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": call.arguments,
                })
            })),
            ConversationItem::ToolOutput { call_id, output } => input.push(json!({
                "type": "function_call_output",
                "call_id": call_id,
                "output": output,
            })),
            ConversationItem::CodeInterpreterCall(call) => input.extend(code_interpreter(call)),
            ConversationItem::FileSearchCall(call) => input.push(file_search(call)),
            ConversationItem::Reasoning(item) => input.push(item.clone()),
        }
    }
    input
}

/// Returns whether a request has reasoning of earlier responses.
pub(super) fn has_reasoning(request: &ModelRequest) -> bool {
    request.conversation.iter().any(|item| matches!(item, ConversationItem::Reasoning(_)))
}

fn user(content: Vec<Value>) -> Value {
    json!({"type": "message", "role": "user", "content": content})
}

fn part(part: &UserPart) -> Value {
    let (source, value, detail) = match part {
        UserPart::Text(text) => return json!({"type": "input_text", "text": text}),
        UserPart::Image { url, detail } => ("image_url", url, detail),
        UserPart::ImageFile { file_id, detail } => ("file_id", file_id, detail),
    };
    json!({"type": "input_image", source: value, "detail": detail.as_deref().unwrap_or("auto")})
}

/// Returns the item of a call. Its images are only in the container.
fn code_interpreter(call: &CodeInterpreterCall) -> Option<Value> {
    let container_id = call.container_id.as_ref()?;
    let logs = call.outputs.iter().filter_map(|output| match output {
        CodeOutput::Logs(logs) => Some(json!({"type": "logs", "logs": logs})),
        CodeOutput::Image { .. } => None,
    });
    Some(json!({
        "type": "code_interpreter_call",
        "id": call.id,
        "status": "completed",
        "container_id": container_id,
        "code": call.code,
        "outputs": logs.collect::<Vec<_>>(),
    }))
}

fn file_search(call: &FileSearchCall) -> Value {
    let results = call.results.iter().map(|result| {
        json!({
            "file_id": result.file_id,
            "filename": result.file_name,
            "score": result.score,
            "text": result.text,
        })
    });
    json!({
        "type": "file_search_call",
        "id": call.id,
        "status": "completed",
        "queries": call.queries,
        "results": results.collect::<Vec<_>>(),
    })
}
