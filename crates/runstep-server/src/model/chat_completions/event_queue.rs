//! A queue of model events.

use std::collections::VecDeque;

use crate::model::ModelEvent;

/// Events that were decoded and not taken yet, with the size of all that were ever pushed.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    pub(super) events: VecDeque<ModelEvent>,
    /// The length of all text that was ever pushed, in bytes.
    pub(super) bytes: usize,
    /// The same in characters.
    pub(super) characters: usize,
}

impl EventQueue {
    pub(super) fn push(&mut self, event: ModelEvent) {
        let text = match &event {
            ModelEvent::Text(text) | ModelEvent::Refusal(text) => text,
            ModelEvent::Arguments { text, .. } => text,
            ModelEvent::ToolCall { name, .. } => name,
            _ => "",
        };
        self.bytes += text.len();
        self.characters += text.chars().count();
        self.events.push_back(event);
    }
}
