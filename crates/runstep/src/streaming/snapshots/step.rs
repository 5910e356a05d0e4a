//! Applies step deltas to steps, and computes deltas between two states of a step.

use runstep_api::types::{
    CodeInterpreterCall, CodeInterpreterCallDelta, CodeInterpreterImage, CodeInterpreterImageDelta,
    CodeInterpreterImageOutput, CodeInterpreterImageOutputDelta, CodeInterpreterLogsOutput,
    CodeInterpreterLogsOutputDelta, CodeInterpreterOutput, CodeInterpreterOutputDelta,
    CodeInterpreterToolCall, CodeInterpreterToolCallDelta, FileSearchCall, FileSearchToolCall,
    FileSearchToolCallDelta, FunctionCall, FunctionCallDelta, FunctionToolCall,
    FunctionToolCallDelta, MessageCreation, MessageCreationStepDetails, Run, RunStep, RunStepDelta,
    RunStepDeltaBody, RunStepStatus, RunStepType, StepDetails, StepDetailsDelta, ToolCall,
    ToolCallDelta, ToolCallsStepDetails, ToolCallsStepDetailsDelta,
};
use serde_json::Value;

use super::{IndexMap, append, item_within, json_size, set, set_option, suffix_after, unknown};

pub(super) fn index_map(step: &RunStep) -> IndexMap {
    let calls = match &step.step_details {
        StepDetails::ToolCalls(details) => details.tool_calls.as_slice(),
        _ => &[],
    };
    IndexMap::whole(calls.iter().map(|call| match call {
        ToolCall::CodeInterpreter(call) => call.code_interpreter.outputs.len(),
        _ => 0,
    }))
}

/// Creates a step without details before its first delta is applied. Fields that neither the delta nor
/// the run has are unset or empty.
pub(super) fn from_delta(id: &str, delta: &StepDetailsDelta, run: Option<&Run>) -> Option<RunStep> {
    let (step_type, details) = match delta {
        StepDetailsDelta::MessageCreation(_) => {
            let details = MessageCreationStepDetails::new(MessageCreation::new(""));
            (Some(RunStepType::MessageCreation), details.into())
        }
        StepDetailsDelta::ToolCalls(_) => {
            (Some(RunStepType::ToolCalls), ToolCallsStepDetails::new(Vec::new()).into())
        }
        StepDetailsDelta::Unknown(_) => (None, StepDetails::Unknown(unknown::empty())),
        _ => return None,
    };
    let (thread_id, run_id) = run.map_or(("", ""), |run| (&run.thread_id, &run.id));
    let (status, new_type) = (RunStepStatus::InProgress, RunStepType::ToolCalls);
    let mut step = RunStep::new(id, 0, "", thread_id, run_id, new_type, status, details);
    (step.created_at, step.assistant_id, step.type_) = (None, None, step_type);
    Some(step)
}

/// Returns whether a step has not ended and has shorter details than are known from deltas.
pub(super) fn is_behind(step: &RunStep, known: &RunStep) -> bool {
    step.status == RunStepStatus::InProgress
        && json_size(&step.step_details) < json_size(&known.step_details)
}

pub(super) fn extend(details: &mut StepDetails, indexes: &mut IndexMap, delta: &StepDetailsDelta) {
    match (details, delta) {
        (StepDetails::MessageCreation(details), StepDetailsDelta::MessageCreation(delta)) => {
            let id = delta.message_creation.as_ref().and_then(|delta| delta.message_id.as_ref());
            set(&mut details.message_creation.message_id, id);
        }
        (StepDetails::ToolCalls(details), StepDetailsDelta::ToolCalls(calls)) => {
            for (place, delta) in (0..).zip(calls.tool_calls.iter().flatten()) {
                let index = match delta {
                    ToolCallDelta::Function(delta) => delta.index,
                    ToolCallDelta::CodeInterpreter(delta) => delta.index,
                    ToolCallDelta::FileSearch(delta) => delta.index,
                    ToolCallDelta::Unknown(delta) => unknown::index(delta),
                    _ => continue,
                };
                let index = index.unwrap_or(place);
                let item = indexes.item(&mut details.tool_calls, index, || empty(delta));
                if let Some((call, outputs)) = item {
                    extend_call(call, outputs, delta);
                }
            }
        }
        (StepDetails::Unknown(details), StepDetailsDelta::Unknown(delta)) => {
            unknown::extend(details, delta);
        }
        _ => {}
    }
}

/// Creates an empty call of the same type as the delta.
fn empty(delta: &ToolCallDelta) -> Option<ToolCall> {
    Some(match delta {
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

/// Applies a delta to a call. A delta of another type is ignored: the complete step follows.
fn extend_call(call: &mut ToolCall, indexes: &mut Vec<u64>, delta: &ToolCallDelta) {
    match (call, delta) {
        (ToolCall::Function(call), ToolCallDelta::Function(delta)) => {
            set(&mut call.id, delta.id.as_ref());
            let Some(function) = &delta.function else { return };
            set(&mut call.function.name, function.name.as_ref());
            append(&mut call.function.arguments, function.arguments.as_ref());
            set_option(&mut call.function.output, function.output.as_ref());
        }
        (ToolCall::CodeInterpreter(call), ToolCallDelta::CodeInterpreter(delta)) => {
            set(&mut call.id, delta.id.as_ref());
            let Some(code) = &delta.code_interpreter else { return };
            append(&mut call.code_interpreter.input, code.input.as_ref());
            for (place, delta) in (0..).zip(code.outputs.iter().flatten()) {
                extend_outputs(&mut call.code_interpreter.outputs, indexes, place, delta);
            }
        }
        (ToolCall::FileSearch(call), ToolCallDelta::FileSearch(delta)) => {
            set(&mut call.id, delta.id.as_ref());
            let search = runstep_api::decode_value(&Value::Object(delta.file_search.clone()));
            let search: FileSearchCall = search.unwrap_or_default();
            set_option(&mut call.file_search.ranking_options, search.ranking_options.as_ref());
            set_option(&mut call.file_search.results, search.results.as_ref());
        }
        (ToolCall::Unknown(call), ToolCallDelta::Unknown(delta)) => unknown::extend(call, delta),
        _ => {}
    }
}

fn extend_outputs(
    outputs: &mut Vec<CodeInterpreterOutput>,
    indexes: &mut Vec<u64>,
    place: u64,
    delta: &CodeInterpreterOutputDelta,
) {
    match delta {
        CodeInterpreterOutputDelta::Logs(delta) => {
            let new = || Some(CodeInterpreterLogsOutput::new("").into());
            let item = item_within(indexes, outputs, delta.index.unwrap_or(place), new);
            if let Some(CodeInterpreterOutput::Logs(known)) = item {
                append(&mut known.logs, delta.logs.as_ref());
            }
        }
        CodeInterpreterOutputDelta::Image(delta) => {
            let new =
                || Some(CodeInterpreterImageOutput::new(CodeInterpreterImage::new("")).into());
            let item = item_within(indexes, outputs, delta.index.unwrap_or(place), new);
            if let Some(CodeInterpreterOutput::Image(known)) = item {
                let id = delta.image.as_ref().and_then(|image| image.file_id.as_ref());
                set(&mut known.image.file_id, id);
            }
        }
        CodeInterpreterOutputDelta::Unknown(delta) => {
            let new = || Some(CodeInterpreterOutput::Unknown(unknown::empty()));
            let index = unknown::index(delta).unwrap_or(place);
            let item = item_within(indexes, outputs, index, new);
            if let Some(CodeInterpreterOutput::Unknown(known)) = item {
                unknown::extend(known, delta);
            }
        }
        _ => {}
    }
}

/// Returns the delta from a known state of a step to its current state, if they differ.
pub(in crate::streaming) fn next_step_delta(
    known: &RunStep,
    now: &RunStep,
) -> Option<RunStepDelta> {
    let StepDetails::ToolCalls(now_details) = &now.step_details else { return None };
    let known_calls = match &known.step_details {
        StepDetails::ToolCalls(details) => details.tool_calls.as_slice(),
        _ => &[],
    };
    let deltas = now_details.tool_calls.iter().enumerate();
    let deltas: Vec<ToolCallDelta> = deltas
        .filter_map(|(index, call)| delta_of_call(known_calls.get(index), call, index as u64))
        .collect();
    if deltas.is_empty() {
        return None;
    }
    let mut details = ToolCallsStepDetailsDelta::default();
    details.tool_calls = Some(deltas);
    let mut body = RunStepDeltaBody::default();
    body.step_details = Some(details.into());
    Some(RunStepDelta::new(now.id.clone(), body))
}

/// Returns the delta of one call. The output of a function is not part of any delta.
fn delta_of_call(known: Option<&ToolCall>, call: &ToolCall, index: u64) -> Option<ToolCallDelta> {
    Some(match (call, known) {
        (ToolCall::Function(call), None) => {
            let mut function = FunctionCallDelta::default();
            function.name = Some(call.function.name.clone());
            function.arguments = Some(call.function.arguments.clone());
            let mut delta = FunctionToolCallDelta::new(index);
            delta.id = Some(call.id.clone());
            delta.function = Some(function);
            delta.into()
        }
        (ToolCall::Function(call), Some(ToolCall::Function(known))) => {
            let mut function = FunctionCallDelta::default();
            function.arguments =
                Some(suffix_after(&call.function.arguments, &known.function.arguments)?);
            let mut delta = FunctionToolCallDelta::new(index);
            delta.function = Some(function);
            delta.into()
        }
        (ToolCall::CodeInterpreter(call), known) => {
            let none = CodeInterpreterCall::new("", Vec::new());
            let (new, known) = match known {
                Some(ToolCall::CodeInterpreter(known)) => (false, &known.code_interpreter),
                Some(_) => return None,
                None => (true, &none),
            };
            let mut delta = CodeInterpreterToolCallDelta::new(index);
            delta.id = new.then(|| call.id.clone());
            delta.code_interpreter = delta_of_code(known, &call.code_interpreter);
            if !new && delta.code_interpreter.is_none() {
                return None;
            }
            delta.into()
        }
        (ToolCall::FileSearch(call), None) => {
            let search = runstep_api::encode(&call.file_search);
            let Value::Object(search) = runstep_api::parse_value(&search).ok()? else {
                return None;
            };
            let mut delta = FileSearchToolCallDelta::new(index, search);
            delta.id = Some(call.id.clone());
            delta.into()
        }
        (ToolCall::Unknown(call), None) => ToolCallDelta::Unknown(unknown::with_index(call, index)),
        _ => return None,
    })
}

fn delta_of_code(
    known: &CodeInterpreterCall,
    now: &CodeInterpreterCall,
) -> Option<CodeInterpreterCallDelta> {
    let outputs = now.outputs.iter().enumerate();
    let outputs: Vec<CodeInterpreterOutputDelta> = outputs
        .filter_map(|(index, output)| {
            delta_of_output(known.outputs.get(index), output, index as u64)
        })
        .collect();
    let mut delta = CodeInterpreterCallDelta::default();
    delta.input = suffix_after(&now.input, &known.input);
    delta.outputs = (!outputs.is_empty()).then_some(outputs);
    (delta.input.is_some() || delta.outputs.is_some()).then_some(delta)
}

fn delta_of_output(
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
            let mut delta = CodeInterpreterLogsOutputDelta::new(index);
            delta.logs = Some(suffix_after(&output.logs, known)?);
            delta.into()
        }
        (CodeInterpreterOutput::Image(output), None) => {
            let mut image = CodeInterpreterImageDelta::default();
            image.file_id = Some(output.image.file_id.clone());
            let mut delta = CodeInterpreterImageOutputDelta::new(index);
            delta.image = Some(image);
            delta.into()
        }
        (CodeInterpreterOutput::Unknown(output), None) => {
            CodeInterpreterOutputDelta::Unknown(unknown::with_index(output, index))
        }
        _ => return None,
    })
}
