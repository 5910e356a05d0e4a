//! A run as a program without an SDK would define it: the properties of `runstep::types::Run`, with the
//! same types, decoded by serde's derive. It neither keeps unknown properties nor tolerates others.

#![allow(dead_code, reason = "what is decoded is not read")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
pub(crate) struct PlainRun {
    pub(crate) id: String,
    object: String,
    created_at: Option<i64>,
    thread_id: String,
    assistant_id: Option<String>,
    status: Status,
    required_action: Option<Value>,
    last_error: Option<RunError>,
    expires_at: Option<i64>,
    started_at: Option<i64>,
    cancelled_at: Option<i64>,
    failed_at: Option<i64>,
    completed_at: Option<i64>,
    incomplete_details: Option<IncompleteDetails>,
    model: Option<String>,
    instructions: Option<String>,
    tools: Vec<Tool>,
    metadata: Option<BTreeMap<String, String>>,
    usage: Option<Usage>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    max_prompt_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    truncation_strategy: Option<TruncationStrategy>,
    tool_choice: Option<StringOr<NamedToolChoice>>,
    parallel_tool_calls: Option<bool>,
    response_format: Option<StringOr<ResponseFormat>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Queued,
    InProgress,
    RequiresAction,
    Cancelling,
    Cancelled,
    Failed,
    Completed,
    Incomplete,
    Expired,
}

#[derive(Deserialize)]
struct RunError {
    code: Option<String>,
    message: String,
}

#[derive(Deserialize)]
struct IncompleteDetails {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Tool {
    CodeInterpreter,
    FileSearch { file_search: Option<Value> },
    Function { function: Function },
}

#[derive(Deserialize)]
struct Function {
    name: String,
    description: Option<String>,
    parameters: Option<Map<String, Value>>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct Usage {
    completion_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct TruncationStrategy {
    r#type: String,
    last_messages: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StringOr<T> {
    Text(String),
    Object(T),
}

#[derive(Deserialize)]
struct NamedToolChoice {
    r#type: String,
    function: Option<NamedFunction>,
}

#[derive(Deserialize)]
struct NamedFunction {
    name: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: Value },
}
