//! Submitted outputs of tool calls.

use std::collections::HashMap;

use runstep_api::types::{
    RunStatus, RunStepStatus, StepDetails, SubmitToolOutputsRequest, ToolCall,
};

use super::error::{EngineError, Result};
use super::lifecycle::{allows, transition};
use super::run_state::RunState;

/// The outputs of all calls that a run waits for, by call id.
#[derive(Debug)]
pub(super) struct ToolOutputs(HashMap<String, String>);

/// Checks that a request has the outputs of all calls that the run waits for, and no others.
pub(super) fn check(state: &RunState, request: &SubmitToolOutputsRequest) -> Result<ToolOutputs> {
    let status = &state.run.status;
    if !allows(status, &RunStatus::Queued) {
        return Err(EngineError::OutputsNotAccepted { status: status.clone() });
    }
    let mut got = Vec::new();
    let mut outputs = HashMap::new();
    for (index, output) in request.tool_outputs.iter().enumerate() {
        let call_id = output.tool_call_id.clone().ok_or_else(|| {
            let param = format!("tool_outputs[{index}].tool_call_id");
            EngineError::invalid(param, "the id of the call is missing.")
        })?;
        outputs.insert(call_id.clone(), output.output.clone().unwrap_or_default());
        got.push(call_id);
    }
    if outputs.len() != got.len() {
        return Err(EngineError::DuplicateOutputs { got });
    }
    let waiting = state.open_steps().next_back();
    let expected: Vec<String> = match waiting.map(|step| &step.step_details) {
        Some(StepDetails::ToolCalls(details)) => {
            details.tool_calls.iter().filter_map(call_id).collect()
        }
        _ => Vec::new(),
    };
    if got.len() != expected.len() || !expected.iter().all(|id| outputs.contains_key(id)) {
        return Err(EngineError::UnexpectedOutputs { expected, got });
    }
    Ok(ToolOutputs(outputs))
}

impl ToolOutputs {
    /// Adds the outputs to their calls and queues the run again. Returns the id of the
    /// completed step.
    pub(super) fn apply(mut self, state: &mut RunState, now: i64) -> Option<String> {
        let waiting = state.open_steps().next_back().map(|step| step.id.clone());
        let usage = state.hidden.waiting_step_usage.take();
        if let Some(step) = waiting.as_deref().and_then(|id| state.step_mut(id)) {
            if let StepDetails::ToolCalls(details) = &mut step.step_details {
                for call in &mut details.tool_calls {
                    if let ToolCall::Function(call) = call {
                        call.function.output = self.0.remove(&call.id);
                    }
                }
            }
            step.status = RunStepStatus::Completed;
            step.completed_at = Some(now);
            step.usage = usage;
        }
        // `check` has checked the status.
        let _ = transition(state.run.change(), RunStatus::Queued, now);
        waiting
    }
}

fn call_id(call: &ToolCall) -> Option<String> {
    match call {
        ToolCall::Function(call) => Some(call.id.clone()),
        _ => None,
    }
}
