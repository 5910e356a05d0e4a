//! The details of a step, from pieces.

use runstep_api::types::{
    CodeInterpreterCall, CodeInterpreterCallDelta, CodeInterpreterImage, CodeInterpreterImageDelta,
    CodeInterpreterImageOutput, CodeInterpreterImageOutputDelta, CodeInterpreterLogsOutput,
    CodeInterpreterLogsOutputDelta, CodeInterpreterOutput, CodeInterpreterOutputDelta,
    CodeInterpreterToolCall, CodeInterpreterToolCallDelta, FileSearchCall, FileSearchToolCall,
    FileSearchToolCallDelta, FunctionCall, FunctionCallDelta, FunctionToolCall,
    FunctionToolCallDelta, RunStep, RunStepDelta, RunStepDeltaBody, StepDetails, StepDetailsDelta,
    ToolCall, ToolCallDelta, ToolCallsStepDetailsDelta,
};
use serde_json::Value;

use super::{Places, beyond, item_within, push, set, set_some, unknown};

pub(super) fn places(step: &RunStep) -> Places {
    let calls = match &step.step_details {
        StepDetails::ToolCalls(details) => details.tool_calls.as_slice(),
        _ => &[],
    };
    Places::whole(calls.iter().map(|call| match call {
        ToolCall::CodeInterpreter(call) => call.code_interpreter.outputs.len(),
        _ => 0,
    }))
}

pub(super) fn extend(details: &mut StepDetails, places: &mut Places, delta: &StepDetailsDelta) {
    match (details, delta) {
        (StepDetails::MessageCreation(details), StepDetailsDelta::MessageCreation(delta)) => {
            let id = delta.message_creation.as_ref().and_then(|delta| delta.message_id.as_ref());
            set(&mut details.message_creation.message_id, id);
        }
        (StepDetails::ToolCalls(details), StepDetailsDelta::ToolCalls(delta)) => {
            for piece in delta.tool_calls.iter().flatten() {
                let index = match piece {
                    ToolCallDelta::Function(piece) => piece.index,
                    ToolCallDelta::CodeInterpreter(piece) => piece.index,
                    ToolCallDelta::FileSearch(piece) => piece.index,
                    ToolCallDelta::Unknown(piece) => unknown::index(piece),
                    _ => continue,
                };
                let item = places.item(&mut details.tool_calls, index, || empty(piece));
                if let Some((call, outputs)) = item {
                    extend_call(call, outputs, piece);
                }
            }
        }
        (StepDetails::Unknown(details), StepDetailsDelta::Unknown(delta)) => {
            unknown::extend(details, delta);
        }
        _ => {}
    }
}

/// A call that nothing has been told of but its kind.
fn empty(piece: &ToolCallDelta) -> Option<ToolCall> {
    Some(match piece {
        ToolCallDelta::Function(_) => FunctionToolCall::new("", FunctionCall::new("", "")).into(),
        ToolCallDelta::CodeInterpreter(_) => {
            CodeInterpreterToolCall::new("", CodeInterpreterCall::new("", Vec::new())).into()
        }
        ToolCallDelta::FileSearch(_) => {
            FileSearchToolCall::new("", FileSearchCall::default()).into()
        }
        ToolCallDelta::Unknown(_) => ToolCall::Unknown(unknown::empty()),
        _ => return None,
    })
}

/// A piece of another kind than the call is left out: the whole step will tell.
fn extend_call(call: &mut ToolCall, places: &mut Vec<u64>, piece: &ToolCallDelta) {
    match (call, piece) {
        (ToolCall::Function(call), ToolCallDelta::Function(piece)) => {
            set(&mut call.id, piece.id.as_ref());
            let Some(piece) = &piece.function else { return };
            set(&mut call.function.name, piece.name.as_ref());
            push(&mut call.function.arguments, piece.arguments.as_ref());
            set_some(&mut call.function.output, piece.output.as_ref());
        }
        (ToolCall::CodeInterpreter(call), ToolCallDelta::CodeInterpreter(piece)) => {
            set(&mut call.id, piece.id.as_ref());
            let Some(piece) = &piece.code_interpreter else { return };
            push(&mut call.code_interpreter.input, piece.input.as_ref());
            for piece in piece.outputs.iter().flatten() {
                extend_outputs(&mut call.code_interpreter.outputs, places, piece);
            }
        }
        (ToolCall::FileSearch(call), ToolCallDelta::FileSearch(piece)) => {
            set(&mut call.id, piece.id.as_ref());
            // What does not decode is left to the whole step, which comes at the end.
            let search = serde_json::from_value(Value::Object(piece.file_search.clone()));
            let search: FileSearchCall = search.unwrap_or_default();
            set_some(&mut call.file_search.ranking_options, search.ranking_options.as_ref());
            set_some(&mut call.file_search.results, search.results.as_ref());
        }
        (ToolCall::Unknown(call), ToolCallDelta::Unknown(piece)) => unknown::extend(call, piece),
        _ => {}
    }
}

fn extend_outputs(
    outputs: &mut Vec<CodeInterpreterOutput>,
    places: &mut Vec<u64>,
    piece: &CodeInterpreterOutputDelta,
) {
    match piece {
        CodeInterpreterOutputDelta::Logs(piece) => {
            let new = || Some(CodeInterpreterLogsOutput::new("").into());
            let item = item_within(places, outputs, piece.index, new);
            if let Some(CodeInterpreterOutput::Logs(known)) = item {
                push(&mut known.logs, piece.logs.as_ref());
            }
        }
        CodeInterpreterOutputDelta::Image(piece) => {
            let new =
                || Some(CodeInterpreterImageOutput::new(CodeInterpreterImage::new("")).into());
            let item = item_within(places, outputs, piece.index, new);
            if let Some(CodeInterpreterOutput::Image(known)) = item {
                let id = piece.image.as_ref().and_then(|image| image.file_id.as_ref());
                set(&mut known.image.file_id, id);
            }
        }
        CodeInterpreterOutputDelta::Unknown(piece) => {
            let new = || Some(CodeInterpreterOutput::Unknown(unknown::empty()));
            let item = item_within(places, outputs, unknown::index(piece), new);
            if let Some(CodeInterpreterOutput::Unknown(known)) = item {
                unknown::extend(known, piece);
            }
        }
        _ => {}
    }
}

/// The piece that brings what is known of a step to what it is; none if nothing is missing.
pub(in crate::stream) fn next_step_delta(known: &RunStep, now: &RunStep) -> Option<RunStepDelta> {
    let StepDetails::ToolCalls(now_details) = &now.step_details else { return None };
    let known_calls = match &known.step_details {
        StepDetails::ToolCalls(details) => details.tool_calls.as_slice(),
        _ => &[],
    };
    let pieces = now_details.tool_calls.iter().enumerate();
    let pieces: Vec<ToolCallDelta> = pieces
        .filter_map(|(index, call)| missing_call(known_calls.get(index), call, index as u64))
        .collect();
    if pieces.is_empty() {
        return None;
    }
    let mut details = ToolCallsStepDetailsDelta::default();
    details.tool_calls = Some(pieces);
    let mut delta = RunStepDeltaBody::default();
    delta.step_details = Some(details.into());
    Some(RunStepDelta::new(now.id.clone(), delta))
}

/// An output of a function comes with the whole step, and not in a piece.
fn missing_call(known: Option<&ToolCall>, call: &ToolCall, index: u64) -> Option<ToolCallDelta> {
    Some(match (call, known) {
        (ToolCall::Function(call), None) => {
            let mut function = FunctionCallDelta::default();
            function.name = Some(call.function.name.clone());
            function.arguments = Some(call.function.arguments.clone());
            let mut piece = FunctionToolCallDelta::new(index);
            piece.id = Some(call.id.clone());
            piece.function = Some(function);
            piece.into()
        }
        (ToolCall::Function(call), Some(ToolCall::Function(known))) => {
            let mut function = FunctionCallDelta::default();
            function.arguments = Some(beyond(&call.function.arguments, &known.function.arguments)?);
            let mut piece = FunctionToolCallDelta::new(index);
            piece.function = Some(function);
            piece.into()
        }
        (ToolCall::CodeInterpreter(call), known) => {
            let none = CodeInterpreterCall::new("", Vec::new());
            let (new, known) = match known {
                Some(ToolCall::CodeInterpreter(known)) => (false, &known.code_interpreter),
                Some(_) => return None,
                None => (true, &none),
            };
            let mut piece = CodeInterpreterToolCallDelta::new(index);
            piece.id = new.then(|| call.id.clone());
            piece.code_interpreter = missing_code(known, &call.code_interpreter);
            if !new && piece.code_interpreter.is_none() {
                return None;
            }
            piece.into()
        }
        (ToolCall::FileSearch(call), None) => {
            let search = match serde_json::to_value(&call.file_search) {
                Ok(Value::Object(search)) => search,
                _ => return None,
            };
            let mut piece = FileSearchToolCallDelta::new(index, search);
            piece.id = Some(call.id.clone());
            piece.into()
        }
        (ToolCall::Unknown(call), None) => ToolCallDelta::Unknown(unknown::with_index(call, index)),
        _ => return None,
    })
}

fn missing_code(
    known: &CodeInterpreterCall,
    now: &CodeInterpreterCall,
) -> Option<CodeInterpreterCallDelta> {
    let outputs = now.outputs.iter().enumerate();
    let outputs: Vec<CodeInterpreterOutputDelta> = outputs
        .filter_map(|(index, output)| {
            missing_output(known.outputs.get(index), output, index as u64)
        })
        .collect();
    let mut delta = CodeInterpreterCallDelta::default();
    delta.input = beyond(&now.input, &known.input);
    delta.outputs = (!outputs.is_empty()).then_some(outputs);
    (delta.input.is_some() || delta.outputs.is_some()).then_some(delta)
}

fn missing_output(
    known: Option<&CodeInterpreterOutput>,
    output: &CodeInterpreterOutput,
    index: u64,
) -> Option<CodeInterpreterOutputDelta> {
    Some(match (output, known) {
        (CodeInterpreterOutput::Logs(output), known) => {
            let known = match known {
                Some(CodeInterpreterOutput::Logs(known)) => known.logs.as_str(),
                Some(_) => return None,
                None => "",
            };
            let mut piece = CodeInterpreterLogsOutputDelta::new(index);
            piece.logs = Some(beyond(&output.logs, known)?);
            piece.into()
        }
        (CodeInterpreterOutput::Image(output), None) => {
            let mut image = CodeInterpreterImageDelta::default();
            image.file_id = Some(output.image.file_id.clone());
            let mut piece = CodeInterpreterImageOutputDelta::new(index);
            piece.image = Some(image);
            piece.into()
        }
        (CodeInterpreterOutput::Unknown(output), None) => {
            CodeInterpreterOutputDelta::Unknown(unknown::with_index(output, index))
        }
        _ => return None,
    })
}
