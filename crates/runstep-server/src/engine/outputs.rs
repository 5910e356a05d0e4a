//! The outputs of tool calls, as they come in.

use std::collections::HashSet;

use runstep_api::types::{
    Run, RunStatus, RunStep, RunStepStatus, StepDetails, SubmitToolOutputsRequest, ToolCall,
};

use super::Refusal;
use super::lifecycle::transition;
use crate::store::RunState;

/// Checks the outputs against the calls, and puts them in. All or nothing.
pub(super) fn accept(
    state: &mut RunState,
    request: &SubmitToolOutputsRequest,
    now: i64,
) -> Result<(Run, Option<RunStep>), Refusal> {
    if state.run.status != RunStatus::RequiresAction {
        return Err(Refusal::TakesNoOutputs { status: state.run.status.clone() });
    }
    let mut got = Vec::new();
    for (index, output) in request.tool_outputs.iter().enumerate() {
        got.push(output.tool_call_id.clone().ok_or_else(|| Refusal::Invalid {
            param: format!("tool_outputs[{index}].tool_call_id"),
            message: "name the call that this is the output of.".to_owned(),
        })?);
    }
    let mut step =
        state.steps.values_mut().filter(|step| step.status == RunStepStatus::InProgress).last();
    let mut none = Vec::new();
    let calls = match step.as_mut().map(|step| &mut step.step_details) {
        Some(StepDetails::ToolCalls(details)) => &mut details.tool_calls,
        _ => &mut none,
    };
    let expected: Vec<String> = calls
        .iter()
        .filter_map(|call| match call {
            ToolCall::Function(call) => Some(call.id.clone()),
            _ => None,
        })
        .collect();
    let unique: HashSet<&String> = got.iter().collect();
    if unique.len() != got.len() {
        return Err(Refusal::DuplicateOutputs { got });
    }
    if got.len() != expected.len() || !expected.iter().all(|id| unique.contains(id)) {
        return Err(Refusal::OtherOutputsExpected { expected, got });
    }
    for call in calls.iter_mut() {
        let ToolCall::Function(call) = call else { continue };
        let output =
            request.tool_outputs.iter().find(|one| one.tool_call_id.as_ref() == Some(&call.id));
        call.function.output = Some(output.and_then(|one| one.output.clone()).unwrap_or_default());
    }
    let step = step.map(|step| {
        step.status = RunStepStatus::Completed;
        step.completed_at = Some(now);
        step.usage = state.waiting_step_usage.take();
        step.clone()
    });
    state.waiting = None;
    // The table has it: the status was checked above.
    let _ = transition(&mut state.run, RunStatus::Queued, now);
    Ok((state.run.clone(), step))
}
