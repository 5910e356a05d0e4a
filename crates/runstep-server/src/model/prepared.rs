//! Responses that are known in advance, streamed as if a model generated them.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::response::{ModelError, ModelEvent, ModelStream};
use crate::text::split_at_character;

/// The length of a chunk of arguments in characters.
const ARGUMENT_CHUNK: usize = 12;
const CHARACTERS_PER_TOKEN: u64 = 4;

/// The events of a response, with a count of its tokens.
#[derive(Debug, Default)]
pub(super) struct PreparedResponse {
    events: Vec<Result<ModelEvent, ModelError>>,
    calls: usize,
    characters: u64,
    /// The limit of characters in total.
    max_characters: Option<u64>,
    cut_off: bool,
}

/// The timing of a stream of events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timing {
    /// The delay before the first event.
    pub(super) initial_delay: Duration,
    /// The delay before each later chunk.
    pub(super) chunk_interval: Duration,
    /// Whether the stream stays open after the last event.
    pub(super) never_ends: bool,
}

impl PreparedResponse {
    /// Creates a response that is cut off after `max_tokens`.
    pub(super) fn with_limit(max_tokens: Option<u64>) -> Self {
        let max_characters = max_tokens.map(|tokens| tokens.saturating_mul(CHARACTERS_PER_TOKEN));
        Self { max_characters, ..Self::default() }
    }

    /// Adds text, one word per chunk.
    pub(super) fn text(&mut self, text: &str) {
        for word in text.split_inclusive(' ') {
            self.chunk(word);
        }
    }

    /// Adds text in one chunk.
    pub(super) fn chunk(&mut self, text: &str) {
        let text = self.truncate(text);
        if !text.is_empty() {
            self.events.push(Ok(ModelEvent::Text(text.to_owned())));
        }
    }

    /// Adds a function call. It is omitted if its name exceeds the limit.
    pub(super) fn call(&mut self, name: &str, arguments: &str) {
        if self.truncate(name) != name {
            return;
        }
        let index = self.calls;
        self.calls += 1;
        self.events.push(Ok(ModelEvent::ToolCall { index, name: name.to_owned() }));
        let mut rest = arguments;
        while !rest.is_empty() {
            let (chunk, remaining) = split_at_character(rest, ARGUMENT_CHUNK);
            rest = remaining;
            let chunk = self.truncate(chunk);
            if !chunk.is_empty() {
                self.events.push(Ok(ModelEvent::Arguments { index, text: chunk.to_owned() }));
            }
        }
    }

    /// Returns the tokens of the response so far.
    pub(super) fn tokens(&self) -> u64 {
        self.characters.div_ceil(CHARACTERS_PER_TOKEN)
    }

    /// Returns whether the limit cut anything off.
    pub(super) fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// Adds an event that does not count towards the limit.
    pub(super) fn event(&mut self, event: ModelEvent) {
        self.events.push(Ok(event));
    }

    /// Adds the error that ends the response.
    pub(super) fn error(&mut self, error: ModelError) {
        self.events.push(Err(error));
    }

    pub(super) fn stream(self, timing: Timing) -> ModelStream {
        let events =
            stream::iter(self.events).enumerate().then(move |(position, event)| async move {
                let delay = match &event {
                    _ if position == 0 => timing.initial_delay,
                    Ok(
                        ModelEvent::Text(_)
                        | ModelEvent::ToolCall { .. }
                        | ModelEvent::Arguments { .. },
                    ) => timing.chunk_interval,
                    _ => Duration::ZERO,
                };
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                event
            });
        if timing.never_ends { Box::pin(events.chain(stream::pending())) } else { Box::pin(events) }
    }

    /// Returns the part of a text within the limit, and counts it.
    fn truncate<'a>(&mut self, text: &'a str) -> &'a str {
        let truncated = match self.max_characters {
            _ if self.cut_off => "",
            Some(limit) => {
                let remaining = usize::try_from(limit - self.characters).unwrap_or(usize::MAX);
                split_at_character(text, remaining).0
            }
            None => text,
        };
        self.cut_off |= truncated.len() < text.len();
        self.characters += truncated.chars().count() as u64;
        truncated
    }
}
