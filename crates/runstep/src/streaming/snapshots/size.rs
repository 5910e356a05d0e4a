//! Sizes of messages, steps and deltas.

use runstep_api::Decode;
use runstep_api::types::{MessageContentDelta, MessageDeltaBody, StepDetailsDelta, ToolCallDelta};

/// Size of a new part in addition to its text, in bytes.
pub(super) const PART_BYTES: usize = 128;

/// Returns the length of an object's JSON in bytes.
pub(in crate::streaming) fn json_size(object: &impl Decode) -> usize {
    runstep_api::encode(object).len()
}

/// Returns whether two objects are equal. Comparing their JSON needs less code than comparing their
/// properties, which would be compiled here for all types in them.
pub(in crate::streaming) fn has_same_json<T: Decode>(left: &T, right: &T) -> bool {
    let (left, right) = (runstep_api::encode(left), runstep_api::encode(right));
    left == right || left.len() == right.len() && is_reordered(&left, &right)
}

/// Returns whether two JSON texts differ only in the order of properties: the specification does not list
/// all of them, and some servers send those in random order.
#[cold]
fn is_reordered(left: &[u8], right: &[u8]) -> bool {
    let parse = runstep_api::parse_value;
    matches!((parse(left), parse(right)), (Ok(left), Ok(right)) if left == right)
}

/// Returns how many bytes a delta adds to a message. Indexes and ids are not counted.
pub(super) fn of_message_delta(delta: &MessageDeltaBody) -> usize {
    let parts = delta.content.as_deref().unwrap_or_default();
    let sizes = parts.iter().map(|delta| match delta {
        MessageContentDelta::Text(delta) => delta.text.as_ref().map_or(0, |text| {
            length(text.value.as_ref()) + text.annotations.as_ref().map_or(0, json_size)
        }),
        MessageContentDelta::Refusal(delta) => length(delta.refusal.as_ref()),
        delta => json_size(delta),
    });
    sizes.sum()
}

/// Returns how many bytes a delta adds to a step.
pub(super) fn of_step_delta(delta: &StepDetailsDelta) -> usize {
    let StepDetailsDelta::ToolCalls(delta) = delta else { return json_size(delta) };
    let sizes = delta.tool_calls.iter().flatten().map(|delta| match delta {
        ToolCallDelta::Function(delta) => delta.function.as_ref().map_or(0, |function| {
            length(function.name.as_ref())
                + length(function.arguments.as_ref())
                + length(function.output.as_ref())
        }),
        ToolCallDelta::CodeInterpreter(delta) => {
            delta.code_interpreter.as_ref().map_or(0, |code| {
                length(code.input.as_ref()) + code.outputs.as_ref().map_or(0, json_size)
            })
        }
        delta => json_size(delta),
    });
    sizes.sum()
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}
