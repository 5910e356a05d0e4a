//! The deltas of messages and steps in events.

use runstep_api::types::{
    AnnotationDelta, FunctionCallDelta, FunctionToolCallDelta, ImageFileContentDelta,
    ImageFileDelta, MessageContentDelta, MessageDelta, MessageDeltaBody, MessageRole,
    MessageTextDelta, RefusalContentDelta, RunStepDelta, RunStepDeltaBody, TextContentDelta,
    ToolCallDelta, ToolCallsStepDetailsDelta,
};

/// A kind of message content.
#[derive(Clone, Copy, Debug)]
pub(super) enum ContentKind {
    Text,
    Refusal,
}

/// Returns a delta of a content part. The first delta of a text has its annotations.
pub(super) fn content(
    kind: ContentKind,
    index: u64,
    text: String,
    is_first: bool,
) -> MessageContentDelta {
    match kind {
        ContentKind::Text => {
            let mut value = MessageTextDelta::default();
            value.value = Some(text);
            value.annotations = is_first.then(Vec::new);
            let mut content = TextContentDelta::new(index);
            content.text = Some(value);
            MessageContentDelta::Text(content)
        }
        ContentKind::Refusal => {
            let mut content = RefusalContentDelta::new(index);
            content.refusal = Some(text);
            MessageContentDelta::Refusal(content)
        }
    }
}

/// Returns a delta of a text with an annotation.
pub(super) fn annotated(
    index: u64,
    text: String,
    annotation: AnnotationDelta,
) -> MessageContentDelta {
    let mut value = MessageTextDelta::default();
    value.value = Some(text);
    value.annotations = Some(vec![annotation]);
    let mut content = TextContentDelta::new(index);
    content.text = Some(value);
    MessageContentDelta::Text(content)
}

/// Returns a delta of an image.
pub(super) fn image(index: u64, file_id: String) -> MessageContentDelta {
    let mut image = ImageFileDelta::default();
    image.file_id = Some(file_id);
    let mut content = ImageFileContentDelta::new(index);
    content.image_file = Some(image);
    MessageContentDelta::ImageFile(content)
}

/// Returns a delta of a message. The first delta has the role.
pub(super) fn message(
    message_id: String,
    content: MessageContentDelta,
    is_first: bool,
) -> MessageDelta {
    let mut body = MessageDeltaBody::default();
    body.role = is_first.then_some(MessageRole::Assistant);
    body.content = Some(vec![content]);
    MessageDelta::new(message_id, body)
}

/// Returns a delta of a function call. The first delta has its id and name.
pub(super) fn call(
    step_id: &str,
    index: usize,
    id: Option<String>,
    function: FunctionCallDelta,
) -> RunStepDelta {
    let mut call = FunctionToolCallDelta::new(index as u64);
    call.id = id;
    call.function = Some(function);
    tool_call(step_id, ToolCallDelta::Function(call))
}

/// Returns a delta of a call.
pub(super) fn tool_call(step_id: &str, call: ToolCallDelta) -> RunStepDelta {
    let mut details = ToolCallsStepDetailsDelta::default();
    details.tool_calls = Some(vec![call]);
    let mut body = RunStepDeltaBody::default();
    body.step_details = Some(details.into());
    RunStepDelta::new(step_id, body)
}
