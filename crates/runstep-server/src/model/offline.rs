//! A deterministic model that needs no network.

use std::time::Duration;

use serde_json::json;

use super::arguments::{arguments, value_for};
use super::conversation::Conversation;
use super::prepared::{PreparedResponse, Timing};
use super::request::{
    ConversationItem, Function, ModelRequest, ResponseFormat, ToolCall, ToolChoice, UserPart,
};
use super::response::{Model, ModelEvent, ModelStream};
use super::tokens::prompt_tokens;
use crate::text::shorten;

/// How many characters of a text a response repeats.
const MAX_QUOTED_CHARACTERS: usize = 200;

/// How many of the newest items the model reads. A thread can be long and have no user message.
const MAX_TURN_ITEMS: usize = 256;

/// A model that needs no network and always responds to the same conversation in the same way.
///
/// It calls the functions of the run, with arguments that match their schemas and that come from
/// the user's message where possible. Then it repeats their outputs. Without functions it repeats
/// the user's message. It reads the newest 256 items of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Offline {
    timing: Timing,
}

impl Offline {
    /// Creates a model that responds without delays.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the delay before the first event of each response.
    #[must_use]
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.timing.initial_delay = delay;
        self
    }

    /// Sets the delay before each chunk except the first.
    #[must_use]
    pub fn chunk_interval(mut self, interval: Duration) -> Self {
        self.timing.chunk_interval = interval;
        self
    }
}

impl Model for Offline {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        let mut response = PreparedResponse::with_limit(request.max_completion_tokens);
        let turn = CurrentTurn::new(&request.conversation);
        let functions = functions_to_call(&request, &turn);
        if functions.is_empty() {
            response.text(&text(&request.response_format, &turn));
        }
        for function in functions {
            response.call(&function.name, &arguments(function, turn.user.unwrap_or_default()));
        }
        if response.is_cut_off() {
            response.event(ModelEvent::TokenLimit);
        }
        let prompt_tokens = prompt_tokens(&request);
        let completion_tokens = response.tokens();
        response.event(ModelEvent::Usage { prompt_tokens, completion_tokens });
        response.stream(self.timing)
    }

    fn description(&self) -> String {
        "offline".to_owned()
    }
}

/// The conversation since the last user message.
#[derive(Default)]
struct CurrentTurn<'a> {
    user: Option<&'a str>,
    calls: Vec<&'a ToolCall>,
    /// Function names and outputs.
    outputs: Vec<(&'a str, &'a str)>,
}

impl<'a> CurrentTurn<'a> {
    fn new(conversation: &'a Conversation) -> Self {
        let mut turn = Self::default();
        // The newest items come first, because a thread can be long.
        let mut items = Vec::new();
        for item in conversation.iter().rev().take(MAX_TURN_ITEMS) {
            match item {
                ConversationItem::User(text) => turn.user = Some(text),
                ConversationItem::UserParts(parts) => {
                    turn.user = parts.iter().find_map(|part| match part {
                        UserPart::Text(text) => Some(text.as_str()),
                        _ => None,
                    });
                }
                ConversationItem::ToolCalls(_) | ConversationItem::ToolOutput { .. } => {
                    items.push(item);
                    continue;
                }
                _ => continue,
            }
            break;
        }
        for item in items.into_iter().rev() {
            match item {
                ConversationItem::ToolCalls(calls) => turn.calls.extend(calls),
                ConversationItem::ToolOutput { call_id, output } => {
                    let call = turn.calls.iter().find(|call| call.id == *call_id);
                    let name = call.map_or("The function", |call| call.name.as_str());
                    turn.outputs.push((name, output));
                }
                _ => {}
            }
        }
        turn
    }

    fn has_called(&self, function: &Function) -> bool {
        self.calls.iter().any(|call| call.name == function.name)
    }
}

fn functions_to_call<'a>(request: &'a ModelRequest, turn: &CurrentTurn<'_>) -> Vec<&'a Function> {
    let mut uncalled = request.tools.iter().filter(|function| !turn.has_called(function));
    match &request.tool_choice {
        ToolChoice::None => Vec::new(),
        ToolChoice::Function(name) => {
            uncalled.find(|function| function.name == *name).into_iter().collect()
        }
        ToolChoice::CodeInterpreter | ToolChoice::FileSearch => Vec::new(),
        ToolChoice::Auto | ToolChoice::Required if !request.parallel_tool_calls => {
            uncalled.next().into_iter().collect()
        }
        ToolChoice::Auto | ToolChoice::Required if turn.calls.is_empty() => uncalled.collect(),
        ToolChoice::Auto | ToolChoice::Required => Vec::new(),
    }
}

fn text(format: &ResponseFormat, turn: &CurrentTurn<'_>) -> String {
    match format {
        ResponseFormat::Text => sentence(turn),
        ResponseFormat::JsonObject => json!({ "answer": sentence(turn) }).to_string(),
        ResponseFormat::JsonSchema(format) => {
            let mut source = turn.user.unwrap_or_default().to_owned();
            for (_, output) in &turn.outputs {
                source.push('\n');
                source.push_str(output);
            }
            value_for(&format.schema.to_value(), &source).to_string()
        }
    }
}

fn sentence(turn: &CurrentTurn<'_>) -> String {
    match turn.user {
        _ if !turn.outputs.is_empty() => {
            let sentences = turn.outputs.iter().map(|(name, output)| {
                let output = shorten(output.trim(), MAX_QUOTED_CHARACTERS);
                let stop = if output.ends_with(['.', '!', '?', '…']) { "" } else { "." };
                format!("{name} says: {output}{stop}")
            });
            sentences.collect::<Vec<_>>().join(" ")
        }
        Some(text) => format!("You said: \"{}\"", shorten(text, MAX_QUOTED_CHARACTERS)),
        None => "There is no message to answer yet.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
