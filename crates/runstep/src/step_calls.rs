//! The calls of functions in steps, beside those that a run waits for.

use runstep_api::types::{
    FunctionToolCall, RequiredFunctionToolCall, RunStep, StepDetails, ToolCall,
};

/// The calls of functions in a step.
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

/// Whether a call of a step is the one that a run waits for.
pub(crate) fn is_same(call: &FunctionToolCall, waited_for: &RequiredFunctionToolCall) -> bool {
    let (function, asked) = (&call.function, &waited_for.function);
    call.id == waited_for.id && function.name == asked.name && function.arguments == asked.arguments
}
