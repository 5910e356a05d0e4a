//! A model without a model behind it.

use std::time::Duration;

use serde_json::json;

use super::answer::{Answer, Pace, prompt_tokens};
use super::arguments::{arguments, value_for};
use super::{
    ConversationItem, Function, Model, ModelEvent, ModelRequest, ModelStream, ResponseFormat,
    ToolCall, ToolChoice, UserPart,
};
use crate::text::shorten;

/// How much of a text is repeated in an answer, in characters.
const QUOTE_LENGTH: usize = 200;

/// A model that needs no network and gives the same answer to the same conversation.
///
/// It calls the functions it is offered, with arguments that fit their schemas and are taken from
/// the conversation where possible. Then it repeats what they gave back; without functions it
/// repeats what the user said.
#[derive(Clone, Debug, Default)]
pub struct Offline {
    pace: Pace,
}

impl Offline {
    /// A model that answers at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes each answer begin only after this time.
    #[must_use]
    pub fn thinking_time(mut self, time: Duration) -> Self {
        self.pace.before = time;
        self
    }

    /// Makes each chunk come this long after the one before it.
    #[must_use]
    pub fn chunk_interval(mut self, interval: Duration) -> Self {
        self.pace.between = interval;
        self
    }
}

impl Model for Offline {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        let mut answer = Answer::limited(request.max_completion_tokens);
        let turn = CurrentTurn::of(&request.conversation);
        let functions = functions_to_call(&request, &turn);
        if functions.is_empty() {
            answer.text(&text(&request.response_format, &turn));
        }
        for function in functions {
            answer.call(&function.name, &arguments(function, turn.user.unwrap_or_default()));
        }
        if answer.is_cut() {
            answer.event(ModelEvent::TokenLimit);
        }
        let completion_tokens = answer.tokens();
        answer
            .event(ModelEvent::Usage { prompt_tokens: prompt_tokens(&request), completion_tokens });
        answer.stream(self.pace)
    }
}

/// The conversation from the last user message on.
struct CurrentTurn<'a> {
    user: Option<&'a str>,
    calls: Vec<&'a ToolCall>,
    /// The outputs with the names of their functions.
    outputs: Vec<(&'a str, &'a str)>,
}

impl<'a> CurrentTurn<'a> {
    fn of(conversation: &'a [ConversationItem]) -> Self {
        let mut turn = Self { user: None, calls: Vec::new(), outputs: Vec::new() };
        for item in conversation {
            match item {
                ConversationItem::User(text) => {
                    turn = Self { user: Some(text), calls: Vec::new(), outputs: Vec::new() };
                }
                ConversationItem::UserParts(parts) => {
                    let text = parts.iter().find_map(|part| match part {
                        UserPart::Text(text) => Some(text.as_str()),
                        UserPart::Image { .. } => None,
                    });
                    turn = Self { user: text, calls: Vec::new(), outputs: Vec::new() };
                }
                ConversationItem::ToolCalls(calls) => turn.calls.extend(calls),
                ConversationItem::ToolOutput { call_id, output } => {
                    let call = turn.calls.iter().find(|call| call.id == *call_id);
                    let name = call.map_or("The function", |call| call.name.as_str());
                    turn.outputs.push((name, output));
                }
                ConversationItem::Assistant(_) => {}
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
            let mut known = turn.user.unwrap_or_default().to_owned();
            for (_, output) in &turn.outputs {
                known.push('\n');
                known.push_str(output);
            }
            value_for(&format.schema, &known).to_string()
        }
    }
}

fn sentence(turn: &CurrentTurn<'_>) -> String {
    match turn.user {
        _ if !turn.outputs.is_empty() => {
            let told = turn.outputs.iter().map(|(name, output)| {
                let output = shorten(output.trim(), QUOTE_LENGTH);
                let stop = if output.ends_with(['.', '!', '?', '…']) { "" } else { "." };
                format!("{name} says: {output}{stop}")
            });
            told.collect::<Vec<_>>().join(" ")
        }
        Some(text) => format!("You said: \"{}\"", shorten(text, QUOTE_LENGTH)),
        None => "There is no message to answer yet.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
