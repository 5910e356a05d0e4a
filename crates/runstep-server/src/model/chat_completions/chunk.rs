//! A chunk of a streamed answer, or a whole answer: they differ in the name of one property.
//!
//! Providers leave out, null and reshape much. What is not needed is not looked at.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) usage: Option<Value>,
    /// What went wrong, told in place of an answer or within it.
    pub(super) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    pub(super) delta: Option<Delta>,
    /// What a whole answer has in place of `delta`.
    pub(super) message: Option<Delta>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Delta {
    pub(super) content: Option<Value>,
    pub(super) refusal: Option<String>,
    pub(super) tool_calls: Option<Vec<CallDelta>>,
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

/// The text of a content: a string, or parts of which some are text.
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

/// Arguments as JSON text, also of a provider that sends them as an object.
pub(super) fn arguments(arguments: Value) -> String {
    match arguments {
        Value::String(text) => text,
        Value::Null => String::new(),
        object => object.to_string(),
    }
}

/// Tokens of the prompt and of the answer.
pub(super) fn usage(usage: &Value) -> Option<(u64, u64)> {
    // More would be no count of tokens, and must not make sums overflow.
    let tokens = |name: &str| Some(usage.get(name)?.as_u64()?.min(u64::from(u32::MAX)));
    Some((tokens("prompt_tokens")?, tokens("completion_tokens").unwrap_or(0)))
}
