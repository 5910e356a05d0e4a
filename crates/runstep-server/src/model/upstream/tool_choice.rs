//! Which tool a request still has to call.

use crate::model::{ConversationItem, ModelRequest, ToolChoice};

/// Returns the tool choice, unless it is the default or fulfilled. A call is required only once, or
/// else the model could never respond to its output.
pub(crate) fn pending_choice(request: &ModelRequest) -> Option<&ToolChoice> {
    let choice = &request.tool_choice;
    let is_pending = match choice {
        ToolChoice::Auto => false,
        ToolChoice::None => true,
        choice => !has_called(request, choice),
    };
    is_pending.then_some(choice)
}

/// Returns whether the choice was called since the last user message.
fn has_called(request: &ModelRequest, choice: &ToolChoice) -> bool {
    let mut response = request.conversation.iter().rev().take_while(|item| {
        !matches!(item, ConversationItem::User(_) | ConversationItem::UserParts(_))
    });
    response.any(|item| match (item, choice) {
        (ConversationItem::ToolCalls(_), ToolChoice::Required) => true,
        (ConversationItem::ToolCalls(calls), ToolChoice::Function(name)) => {
            calls.iter().any(|call| call.name == *name)
        }
        (
            ConversationItem::CodeInterpreterCall(_),
            ToolChoice::CodeInterpreter | ToolChoice::Required,
        ) => true,
        (ConversationItem::FileSearchCall(_), ToolChoice::FileSearch | ToolChoice::Required) => {
            true
        }
        _ => false,
    })
}
