//! The outputs of tool calls, as they come in.

use std::collections::HashMap;

use runstep_api::types::{
    RunStatus, RunStep, RunStepStatus, StepDetails, SubmitToolOutputsRequest, ToolCall,
};

use super::Refusal;
use super::lifecycle::{allows, transition};
use crate::store::RunState;

/// The outputs of all calls that a run waits for, by the calls' ids.
#[derive(Debug)]
pub(super) struct Outputs(HashMap<String, String>);

/// Takes the outputs if they are those that the run waits for. All or nothing.
pub(super) fn check(
    state: &RunState,
    request: &SubmitToolOutputsRequest,
) -> Result<Outputs, Refusal> {
    let status = &state.run.status;
    if !allows(status, &RunStatus::Queued) {
        return Err(Refusal::TakesNoOutputs { status: status.clone() });
    }
    let mut got = Vec::new();
    let mut outputs = HashMap::new();
    for (index, output) in request.tool_outputs.iter().enumerate() {
        let call_id = output.tool_call_id.clone().ok_or_else(|| Refusal::Invalid {
            param: format!("tool_outputs[{index}].tool_call_id"),
            message: "name the call that this is the output of.".to_owned(),
        })?;
        outputs.insert(call_id.clone(), output.output.clone().unwrap_or_default());
        got.push(call_id);
    }
    if outputs.len() != got.len() {
        return Err(Refusal::DuplicateOutputs { got });
    }
    let waiting = state.steps.iter().rev().find(|step| is_open(step));
    let expected: Vec<String> = match waiting.map(|step| &step.step_details) {
        Some(StepDetails::ToolCalls(details)) => details.tool_calls.iter().filter_map(id).collect(),
        _ => Vec::new(),
    };
    if got.len() != expected.len() || !expected.iter().all(|id| outputs.contains_key(id)) {
        return Err(Refusal::OtherOutputsExpected { expected, got });
    }
    Ok(Outputs(outputs))
}

impl Outputs {
    /// How many bytes they add.
    pub(super) fn size(&self) -> usize {
        self.0.values().map(String::len).sum()
    }

    /// Puts them where the calls are, and queues the run again. Gives the step, which is complete.
    pub(super) fn put(mut self, state: &mut RunState, now: i64) -> Option<RunStep> {
        let step = state.steps.values_mut().rev().find(|step| is_open(step)).map(|step| {
            if let StepDetails::ToolCalls(details) = &mut step.step_details {
                for call in &mut details.tool_calls {
                    if let ToolCall::Function(call) = call {
                        call.function.output = self.0.remove(&call.id);
                    }
                }
            }
            step.status = RunStepStatus::Completed;
            step.completed_at = Some(now);
            step.usage = state.waiting_step_usage.take();
            step.clone()
        });
        state.waiting = None;
        // The table has it: the status was checked.
        let _ = transition(&mut state.run, RunStatus::Queued, now);
        step
    }
}

fn is_open(step: &RunStep) -> bool {
    step.status == RunStepStatus::InProgress
}

fn id(call: &ToolCall) -> Option<String> {
    match call {
        ToolCall::Function(call) => Some(call.id.clone()),
        _ => None,
    }
}
