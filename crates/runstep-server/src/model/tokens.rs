//! Estimates of token counts.

use super::built_in::CodeOutput;
use super::request::{ConversationItem, Function, ModelRequest, UserPart};

const CHARACTERS_PER_TOKEN: usize = 4;
/// The actual number of tokens depends on the model and the image.
const IMAGE_TOKENS: u64 = 85;

/// Estimates the tokens of a text, at four characters per token.
pub fn estimate_tokens(text: &str) -> u64 {
    tokens_of_characters(text.chars().count())
}

/// Estimates the tokens of a text with this many characters.
pub(crate) fn tokens_of_characters(characters: usize) -> u64 {
    characters.div_ceil(CHARACTERS_PER_TOKEN) as u64
}

/// Estimates the prompt tokens of a request: instructions, conversation and functions.
pub(crate) fn prompt_tokens(request: &ModelRequest) -> u64 {
    let instructions = request.instructions.as_deref().map_or(0, estimate_tokens);
    let conversation = request.conversation.tokens();
    let functions: u64 = request.tools.iter().map(function_tokens).sum();
    instructions + conversation + functions
}

/// Estimates the tokens of an item of a conversation.
pub(crate) fn item_tokens(item: &ConversationItem) -> u64 {
    match item {
        ConversationItem::User(text) | ConversationItem::Assistant(text) => estimate_tokens(text),
        ConversationItem::UserParts(parts) => parts.iter().map(part_tokens).sum(),
        ConversationItem::ToolCalls(calls) => calls
            .iter()
            .map(|call| estimate_tokens(&call.name) + estimate_tokens(&call.arguments))
            .sum(),
        ConversationItem::ToolOutput { output, .. } => estimate_tokens(output),
        ConversationItem::CodeInterpreterCall(call) => {
            let outputs = call.outputs.iter().map(|output| match output {
                CodeOutput::Logs(logs) => estimate_tokens(logs),
                CodeOutput::Image { .. } => 0,
            });
            estimate_tokens(&call.code) + outputs.sum::<u64>()
        }
        ConversationItem::FileSearchCall(call) => {
            call.results.iter().map(|result| estimate_tokens(&result.text)).sum()
        }
        // Providers do not count the reasoning of earlier responses, and it is encrypted.
        ConversationItem::Reasoning(_) => 0,
    }
}

fn part_tokens(part: &UserPart) -> u64 {
    match part {
        UserPart::Text(text) => estimate_tokens(text),
        UserPart::Image { .. } | UserPart::ImageFile { .. } => IMAGE_TOKENS,
    }
}

fn function_tokens(function: &Function) -> u64 {
    let parameters = function.parameters.as_ref().map_or(0, |text| estimate_tokens(text.get()));
    estimate_tokens(&function.name)
        + function.description.as_deref().map_or(0, estimate_tokens)
        + parameters
}
