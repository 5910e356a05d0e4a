//! A queue of model events.

use std::collections::VecDeque;

use crate::model::ModelEvent;

/// Events that were decoded and not taken yet, with the size of all that were ever pushed.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    events: VecDeque<ModelEvent>,
    bytes: usize,
    characters: usize,
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

    pub(super) fn pop(&mut self) -> Option<ModelEvent> {
        self.events.pop_front()
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns the length of all text that was ever pushed, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the length of all text that was ever pushed, in characters.
    pub(super) fn characters(&self) -> usize {
        self.characters
    }
}
