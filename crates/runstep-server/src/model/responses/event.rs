//! The events of a response, and a whole response, which the last event also contains.
//!
//! Providers omit fields or set them to null, so all are optional. What is not listed is ignored.

use serde::Deserialize;
use serde_json::Value;

/// An event, or a response that is not streamed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamedEvent {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) output_index: Option<u64>,
    pub(super) item_id: Option<String>,
    pub(super) content_index: Option<u64>,
    pub(super) item: Option<Value>,
    pub(super) delta: Option<Value>,
    pub(super) text: Option<Value>,
    pub(super) refusal: Option<Value>,
    pub(super) arguments: Option<Value>,
    pub(super) code: Option<Value>,
    pub(super) annotation: Option<Value>,
    pub(super) response: Option<ResponseObject>,
    /// The error of a response that is not streamed.
    pub(super) error: Option<Value>,
    /// The status of a response that is not streamed.
    pub(super) status: Option<Value>,
}

/// A whole response.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponseObject {
    pub(super) status: Option<String>,
    pub(super) output: Option<Vec<Value>>,
    pub(super) usage: Option<Value>,
    pub(super) error: Option<Value>,
    pub(super) incomplete_details: Option<IncompleteDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IncompleteDetails {
    pub(super) reason: Option<String>,
}

/// An item of a response's output.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutputItem {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) id: Option<String>,
    pub(super) status: Option<String>,
    /// Of a message.
    pub(super) content: Option<Vec<ContentPart>>,
    /// Of a function call.
    pub(super) name: Option<String>,
    pub(super) arguments: Option<Value>,
    /// Of a call of the code interpreter.
    pub(super) code: Option<String>,
    pub(super) container_id: Option<String>,
    pub(super) outputs: Option<Vec<Output>>,
    /// Of a file search.
    pub(super) queries: Option<Vec<String>>,
    pub(super) results: Option<Vec<SearchResult>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContentPart {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) text: Option<String>,
    pub(super) annotations: Option<Vec<Annotation>>,
    pub(super) refusal: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotation {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) file_id: Option<String>,
    pub(super) container_id: Option<String>,
    pub(super) filename: Option<String>,
    /// Positions in characters.
    pub(super) index: Option<usize>,
    pub(super) start_index: Option<usize>,
    pub(super) end_index: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) logs: Option<String>,
    pub(super) url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SearchResult {
    pub(super) file_id: Option<String>,
    pub(super) filename: Option<String>,
    pub(super) score: Option<f64>,
    pub(super) text: Option<String>,
}

/// Returns the text of a field.
pub(super) fn text(field: Option<Value>) -> String {
    match field {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Returns the id of a file, which for a file in a container has both ids: the provider only finds
/// it with them.
pub(super) fn file_id(container_id: Option<&str>, file_id: &str) -> String {
    match container_id {
        Some(container_id) => format!("{container_id}.{file_id}"),
        None => file_id.to_owned(),
    }
}
