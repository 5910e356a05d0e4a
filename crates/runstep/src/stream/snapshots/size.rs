//! How much is kept of messages and steps.

use std::io::{self, Write};

use runstep_api::types::{MessageContentDelta, MessageDeltaBody, StepDetailsDelta, ToolCallDelta};
use serde::Serialize;

/// What a new part counts besides its text, in bytes.
pub(super) const PART: usize = 128;

/// The length of an object's JSON, in bytes.
pub(in crate::stream) fn json_size(object: &impl Serialize) -> usize {
    let mut size = Size(0);
    // Nothing that came as JSON fails to become JSON again.
    let _ = serde_json::to_writer(&mut size, object);
    size.0
}

/// How much a piece adds to a message. What names the piece is not kept.
pub(super) fn of_message_piece(delta: &MessageDeltaBody) -> usize {
    let pieces = delta.content.iter().flatten().map(|piece| match piece {
        MessageContentDelta::Text(piece) => piece.text.as_ref().map_or(0, |text| {
            length(text.value.as_ref()) + text.annotations.as_ref().map_or(0, json_size)
        }),
        MessageContentDelta::Refusal(piece) => length(piece.refusal.as_ref()),
        piece => json_size(piece),
    });
    pieces.sum()
}

/// How much a piece adds to a step.
pub(super) fn of_step_piece(delta: &StepDetailsDelta) -> usize {
    let StepDetailsDelta::ToolCalls(delta) = delta else { return json_size(delta) };
    let pieces = delta.tool_calls.iter().flatten().map(|piece| match piece {
        ToolCallDelta::Function(piece) => piece.function.as_ref().map_or(0, |function| {
            length(function.name.as_ref())
                + length(function.arguments.as_ref())
                + length(function.output.as_ref())
        }),
        ToolCallDelta::CodeInterpreter(piece) => {
            piece.code_interpreter.as_ref().map_or(0, |code| {
                length(code.input.as_ref()) + code.outputs.as_ref().map_or(0, json_size)
            })
        }
        piece => json_size(piece),
    });
    pieces.sum()
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

struct Size(usize);

impl Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
