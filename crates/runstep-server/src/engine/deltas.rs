//! Changes of messages and steps, as events tell them.

use runstep_api::types::{
    FunctionCallDelta, FunctionToolCallDelta, MessageContentDelta, MessageDelta, MessageDeltaBody,
    MessageRole, MessageTextDelta, RefusalContentDelta, RunStepDelta, RunStepDeltaBody,
    TextContentDelta, ToolCallDelta, ToolCallsStepDetailsDelta,
};

/// What a part of a message is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Refusal,
}

/// More of a part of a message; the first piece of a text has its annotations.
pub(super) fn content(kind: Kind, index: u64, text: String, begins: bool) -> MessageContentDelta {
    match kind {
        Kind::Text => {
            let mut value = MessageTextDelta::default();
            value.value = Some(text);
            value.annotations = begins.then(Vec::new);
            let mut content = TextContentDelta::new(index);
            content.text = Some(value);
            MessageContentDelta::Text(content)
        }
        Kind::Refusal => {
            let mut content = RefusalContentDelta::new(index);
            content.refusal = Some(text);
            MessageContentDelta::Refusal(content)
        }
    }
}

/// More of a message; the first piece names the role.
pub(super) fn message(
    message_id: String,
    content: MessageContentDelta,
    first: bool,
) -> MessageDelta {
    let mut body = MessageDeltaBody::default();
    body.role = first.then_some(MessageRole::Assistant);
    body.content = Some(vec![content]);
    MessageDelta::new(message_id, body)
}

/// More of a function call; the first piece has its id and its name.
pub(super) fn call(
    step_id: &str,
    index: usize,
    id: Option<String>,
    function: FunctionCallDelta,
) -> RunStepDelta {
    let mut call = FunctionToolCallDelta::new(index as u64);
    call.id = id;
    call.function = Some(function);
    let mut details = ToolCallsStepDetailsDelta::default();
    details.tool_calls = Some(vec![ToolCallDelta::Function(call)]);
    let mut body = RunStepDeltaBody::default();
    body.step_details = Some(details.into());
    RunStepDelta::new(step_id, body)
}
