//! A chunk of a streamed response, or a whole response, which differs in the name of one field.
//!
//! Providers omit fields, set them to null or change their type, so only required fields are
//! decoded.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::model::upstream::token_count;

#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) usage: Option<Value>,
    /// An error instead of a response or in the middle of one.
    pub(super) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    pub(super) delta: Option<Delta>,
    /// A whole response has this instead of `delta`.
    pub(super) message: Option<Delta>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Delta {
    pub(super) content: Option<Value>,
    pub(super) refusal: Option<String>,
    pub(super) tool_calls: Option<Vec<CallDelta>>,
    /// A call in the form that precedes `tool_calls`.
    function_call: Option<IgnoredAny>,
    reasoning: Option<Value>,
    reasoning_content: Option<Value>,
}

impl Delta {
    /// Returns whether the delta has a part of a call in the form that precedes `tool_calls`.
    pub(super) fn has_function_call(&self) -> bool {
        self.function_call.is_some()
    }

    /// Returns whether the delta has a part of the model's reasoning, in one of the providers'
    /// fields or as a part of the content.
    pub(super) fn has_reasoning(&self) -> bool {
        let is_filled = |value: &Value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            _ => true,
        };
        let parts = self.content.as_ref().and_then(Value::as_array).into_iter().flatten();
        let is_thinking = |part: &Value| part.get("thinking").is_some_and(is_filled);
        [&self.reasoning, &self.reasoning_content].into_iter().flatten().any(is_filled)
            || parts.into_iter().any(is_thinking)
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct CallDelta {
    pub(super) index: Option<u64>,
    pub(super) id: Option<String>,
    pub(super) function: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct FunctionDelta {
    pub(super) name: Option<String>,
    pub(super) arguments: Option<Value>,
}

/// Returns the text of a content: a string, or the text parts of a list.
pub(super) fn text(content: Value) -> String {
    match content {
        Value::String(text) => text,
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            texts.collect()
        }
        _ => String::new(),
    }
}

/// Returns the prompt tokens and the completion tokens.
pub(super) fn usage(usage: &Value) -> Option<(u64, u64)> {
    let tokens = |name: &str| token_count(usage.get(name)?);
    Some((tokens("prompt_tokens")?, tokens("completion_tokens").unwrap_or(0)))
}
