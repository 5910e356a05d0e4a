//! An answer that is known beforehand, streamed as if it came bit by bit.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::{
    ConversationItem, Function, ModelError, ModelEvent, ModelRequest, ModelStream, UserPart,
    count_tokens,
};
use crate::text::split_at_character;

/// Characters in each chunk of a call's arguments; they have no words to break between.
const ARGUMENT_CHUNK: usize = 12;
/// What an image counts for; what it truly costs is known to its model only.
const IMAGE_TOKENS: u64 = 85;

/// Collects an answer's events and counts what they cost.
#[derive(Debug, Default)]
pub(super) struct Answer {
    events: Vec<Result<ModelEvent, ModelError>>,
    calls: usize,
    characters: u64,
    /// How many characters there may be in all.
    allowance: Option<u64>,
    cut: bool,
}

/// How an answer is spread over time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Before the first event.
    pub(super) before: Duration,
    /// Before each later chunk.
    pub(super) between: Duration,
    /// Whether the answer stays open for ever after its last event.
    pub(super) endless: bool,
}

impl Answer {
    /// An answer that is cut after this many tokens.
    pub(super) fn limited(tokens: Option<u64>) -> Self {
        Self { allowance: tokens.map(|tokens| tokens.saturating_mul(4)), ..Self::default() }
    }

    /// Adds text in chunks of one word each.
    pub(super) fn text(&mut self, text: &str) {
        for word in text.split_inclusive(' ') {
            self.chunk(word);
        }
    }

    /// Adds text in one chunk.
    pub(super) fn chunk(&mut self, text: &str) {
        let text = self.afford(text);
        if !text.is_empty() {
            self.events.push(Ok(ModelEvent::Text(text.to_owned())));
        }
    }

    /// Adds a function call. One whose name cannot be afforded in full is left out.
    pub(super) fn call(&mut self, name: &str, arguments: &str) {
        if self.afford(name) != name {
            return;
        }
        let index = self.calls;
        self.calls += 1;
        self.events.push(Ok(ModelEvent::ToolCall { index, name: name.to_owned() }));
        let mut rest = arguments;
        while !rest.is_empty() {
            let (piece, later) = split_at_character(rest, ARGUMENT_CHUNK);
            rest = later;
            let piece = self.afford(piece);
            if !piece.is_empty() {
                self.events.push(Ok(ModelEvent::Arguments { index, text: piece.to_owned() }));
            }
        }
    }

    /// Tokens of what was added.
    pub(super) fn tokens(&self) -> u64 {
        self.characters.div_ceil(4)
    }

    /// Whether something had to be left out.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Adds an event that costs nothing.
    pub(super) fn event(&mut self, event: ModelEvent) {
        self.events.push(Ok(event));
    }

    /// Adds the error that ends the answer.
    pub(super) fn error(&mut self, error: ModelError) {
        self.events.push(Err(error));
    }

    /// Streams what was added.
    pub(super) fn stream(self, pace: Pace) -> ModelStream {
        let timed =
            stream::iter(self.events).enumerate().then(move |(position, event)| async move {
                let wait = match &event {
                    _ if position == 0 => pace.before,
                    Ok(
                        ModelEvent::Text(_)
                        | ModelEvent::ToolCall { .. }
                        | ModelEvent::Arguments { .. },
                    ) => pace.between,
                    _ => Duration::ZERO,
                };
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                event
            });
        if pace.endless { Box::pin(timed.chain(stream::pending())) } else { Box::pin(timed) }
    }

    /// The part of a text that the limit still allows.
    fn afford<'a>(&mut self, text: &'a str) -> &'a str {
        let affordable = match self.allowance {
            _ if self.cut => "",
            Some(allowance) => {
                let left = usize::try_from(allowance - self.characters).unwrap_or(usize::MAX);
                split_at_character(text, left).0
            }
            None => text,
        };
        self.cut |= affordable.len() < text.len();
        self.characters += affordable.chars().count() as u64;
        affordable
    }
}

/// Tokens of what a model was asked: instructions, conversation and functions.
pub(crate) fn prompt_tokens(request: &ModelRequest) -> u64 {
    let instructions = request.instructions.as_deref().map_or(0, count_tokens);
    let conversation: u64 = request.conversation.iter().map(item_tokens).sum();
    let functions: u64 = request.tools.iter().map(function_tokens).sum();
    instructions + conversation + functions
}

/// Tokens of a part of a conversation.
pub(crate) fn item_tokens(item: &ConversationItem) -> u64 {
    match item {
        ConversationItem::User(text) | ConversationItem::Assistant(text) => count_tokens(text),
        ConversationItem::UserParts(parts) => parts.iter().map(part_tokens).sum(),
        ConversationItem::ToolCalls(calls) => {
            calls.iter().map(|call| count_tokens(&call.name) + count_tokens(&call.arguments)).sum()
        }
        ConversationItem::ToolOutput { output, .. } => count_tokens(output),
    }
}

fn part_tokens(part: &UserPart) -> u64 {
    match part {
        UserPart::Text(text) => count_tokens(text),
        UserPart::Image { .. } => IMAGE_TOKENS,
    }
}

fn function_tokens(function: &Function) -> u64 {
    let parameters = function
        .parameters
        .as_ref()
        .and_then(|parameters| serde_json::to_string(parameters).ok())
        .map_or(0, |text| count_tokens(&text));
    count_tokens(&function.name)
        + function.description.as_deref().map_or(0, count_tokens)
        + parameters
}
