//! What one asks of the API's objects again and again.

use runstep_api::types::{
    Message, MessageContent, RequiredAction, RequiredFunctionToolCall, RequiredToolCall, Run,
    RunStatus,
};

/// Questions to a [`Run`].
pub trait RunExt {
    /// Whether the run has ended: completed, failed, incomplete, cancelled or expired. A status
    /// that nobody knows yet is no end.
    fn is_terminal(&self) -> bool;

    /// The function calls that the run waits for; none unless it requires action.
    fn function_calls(&self) -> Vec<&RequiredFunctionToolCall>;
}

impl RunExt for Run {
    fn is_terminal(&self) -> bool {
        matches!(
            self.status,
            RunStatus::Completed
                | RunStatus::Failed
                | RunStatus::Incomplete
                | RunStatus::Cancelled
                | RunStatus::Expired
        )
    }

    fn function_calls(&self) -> Vec<&RequiredFunctionToolCall> {
        let Some(RequiredAction::SubmitToolOutputs(action)) = &self.required_action else {
            return Vec::new();
        };
        let calls = action.submit_tool_outputs.tool_calls.iter();
        calls
            .filter_map(|call| match call {
                RequiredToolCall::Function(call) => Some(call),
                _ => None,
            })
            .collect()
    }
}

/// Questions to a [`Message`].
pub trait MessageExt {
    /// The text of the message, its text parts one after the other.
    fn text(&self) -> String;
}

impl MessageExt for Message {
    fn text(&self) -> String {
        let parts = self.content.iter().filter_map(|part| match part {
            MessageContent::Text(content) => Some(content.text.value.as_str()),
            _ => None,
        });
        parts.collect()
    }
}
