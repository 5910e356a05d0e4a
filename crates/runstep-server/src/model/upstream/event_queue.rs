//! A queue of model events.

use std::collections::VecDeque;

use super::error::CallError;
use crate::model::{CodeOutput, ModelEvent};

/// The number of calls in one response.
pub(crate) const MAX_CALLS: usize = 128;
/// The length of a response in total.
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

/// Events that were decoded and not taken yet, with the size of all that were ever pushed.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    pub(crate) events: VecDeque<ModelEvent>,
    /// The length of all text that was ever pushed, in bytes.
    pub(crate) bytes: usize,
    /// The same in characters, without the results of built-in tools.
    pub(crate) characters: usize,
}

impl EventQueue {
    pub(crate) fn push(&mut self, event: ModelEvent) {
        let text = match &event {
            ModelEvent::Text(text) | ModelEvent::Refusal(text) => text,
            ModelEvent::Arguments { text, .. } | ModelEvent::Code { text, .. } => text,
            ModelEvent::ToolCall { name, .. } => name,
            _ => "",
        };
        self.characters += text.chars().count();
        self.bytes += text.len() + result_bytes(&event);
        self.events.push_back(event);
    }

    /// Returns an error if the response is too long.
    pub(crate) fn check_length(&self) -> Result<(), CallError> {
        if self.bytes <= MAX_RESPONSE_BYTES {
            return Ok(());
        }
        let limit = MAX_RESPONSE_BYTES / (1024 * 1024);
        let problem = format!("returned a response longer than {limit} MiB");
        Err(CallError::invalid_response(&problem))
    }
}

/// Returns the length of what the model did not generate itself.
fn result_bytes(event: &ModelEvent) -> usize {
    match event {
        ModelEvent::FileCitation { file_id, marker } => file_id.len() + marker.len(),
        ModelEvent::FilePath { file_id, .. } | ModelEvent::Image { file_id } => file_id.len(),
        ModelEvent::Reasoning(item) => item.to_string().len(),
        ModelEvent::CodeInterpreterEnd { call, .. } => {
            let lengths = call.outputs.iter().map(|output| match output {
                CodeOutput::Logs(logs) => logs.len(),
                CodeOutput::Image { file_id } => file_id.len(),
            });
            lengths.sum()
        }
        ModelEvent::FileSearchEnd { call, .. } => {
            call.results.iter().map(|result| result.text.len()).sum()
        }
        _ => 0,
    }
}
