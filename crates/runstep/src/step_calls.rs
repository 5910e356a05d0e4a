//! Function calls within steps.

use runstep_api::types::{
    FunctionToolCall, RequiredFunctionToolCall, RunStep, StepDetails, ToolCall,
};

/// Returns the function calls of a step.
pub(crate) fn function_calls(step: &RunStep) -> impl Iterator<Item = &FunctionToolCall> {
    let calls = match &step.step_details {
        StepDetails::ToolCalls(details) => details.tool_calls.as_slice(),
        _ => &[],
    };
    calls.iter().filter_map(|call| match call {
        ToolCall::Function(call) => Some(call),
        _ => None,
    })
}

/// Returns whether a call of a step is the one that a run requires.
pub(crate) fn is_same_call(call: &FunctionToolCall, required: &RequiredFunctionToolCall) -> bool {
    let (function, other) = (&call.function, &required.function);
    call.id == required.id && function.name == other.name && function.arguments == other.arguments
}
