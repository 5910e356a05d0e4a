//! What the server keeps of a step that the API does not return: what a later request to the model
//! needs, and the passages that a file search has found.

use axum::body::Bytes;
use runstep_api::types::{
    FileSearchResultContent, RunStep, StepDetails, TextType, ToolCall, ToolCallsStepDetails,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Result;
use super::objects;

/// The property of a stored step that only the server reads.
const HIDDEN_PROPERTY: &str = "_hidden";

/// The hidden part of a step. It is a property of the stored step, which clients do not get.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct HiddenStep {
    /// Each with the index of the call that it precedes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reasoning: Vec<(usize, Value)>,
    /// The provider's id of the call of a built-in tool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call_id: Option<String>,
    /// and of the container that executed the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) queries: Vec<String>,
    /// The texts of the results of a file search.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) passages: Vec<String>,
}

impl HiddenStep {
    /// Returns the hidden part of a stored step.
    pub(super) fn of(step: &RunStep) -> Self {
        let value = step.other().get(HIDDEN_PROPERTY);
        value.and_then(|value| Self::deserialize(value).ok()).unwrap_or_default()
    }

    /// Changes the hidden part of a step.
    pub(super) fn change(step: &mut RunStep, change: impl FnOnce(&mut Self)) {
        let mut hidden = Self::of(step);
        change(&mut hidden);
        // Serializing the server's own objects cannot fail.
        let value = serde_json::to_value(hidden).unwrap_or_default();
        step.other_mut().insert(HIDDEN_PROPERTY.to_owned(), value);
    }
}

/// Returns a stored step as a client gets it, with the passages of file searches if it asks for them.
pub(super) fn visible(json: &Bytes, with_passages: bool) -> Result<Bytes> {
    // Only steps of models with built-in tools or reasoning have a hidden part.
    if memchr::memmem::find(json, HIDDEN_PROPERTY.as_bytes()).is_none() {
        return Ok(json.clone());
    }
    Ok(visible_step(objects::decode(json)?, with_passages))
}

/// Returns whether a step has a hidden part.
pub(super) fn has_hidden(step: &RunStep) -> bool {
    step.other().contains_key(HIDDEN_PROPERTY)
}

/// Does the same as [`visible`] with a step.
pub(super) fn visible_step(mut step: RunStep, with_passages: bool) -> Bytes {
    if with_passages {
        add_passages(&mut step);
    }
    step.other_mut().remove(HIDDEN_PROPERTY);
    objects::json(&step)
}

/// Adds the passages to the results of a file search.
fn add_passages(step: &mut RunStep) {
    let passages = HiddenStep::of(step).passages;
    let StepDetails::ToolCalls(ToolCallsStepDetails { tool_calls, .. }) = &mut step.step_details
    else {
        return;
    };
    let results = tool_calls.iter_mut().filter_map(|call| match call {
        ToolCall::FileSearch(call) => call.file_search.results.as_mut(),
        _ => None,
    });
    for (result, text) in results.flatten().zip(passages) {
        let mut content = FileSearchResultContent::default();
        content.type_ = Some(TextType::default());
        content.text = Some(text);
        result.content = Some(vec![content]);
    }
}
