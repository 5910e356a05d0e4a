//! How a run ended, in words.

use runstep::Outcome;
use runstep::types::{Run, RunStep, StepDetails, ToolCall, Usage};

use crate::terminal::time;

/// Returns why a run has its status, or `None` if the status says it all.
pub(crate) fn reason(run: &Run) -> Option<String> {
    match run.outcome() {
        Outcome::Failed(Some(error)) => Some(match &error.code {
            Some(code) => format!("{code}: {}", error.message),
            None => error.message.clone(),
        }),
        Outcome::Incomplete(Some(reason)) => Some(format!("the run reached {reason}")),
        Outcome::RequiresAction(calls) if calls.is_empty() => {
            Some("the run requires an action that this program does not know".to_owned())
        }
        Outcome::RequiresAction(calls) => {
            let calls: Vec<String> = calls
                .iter()
                .map(|call| {
                    format!("{}: {}({})", call.id, call.function.name, call.function.arguments)
                })
                .collect();
            Some(format!("the run waits for the outputs of\n  {}", calls.join("\n  ")))
        }
        Outcome::Expired => Some("the run exceeded its time limit".to_owned()),
        _ => None,
    }
}

/// Returns what a step does, on one line.
pub(crate) fn describe_step(step: &RunStep) -> String {
    match &step.step_details {
        StepDetails::MessageCreation(_) => "message".to_owned(),
        StepDetails::ToolCalls(details) => {
            let calls: Vec<String> = details.tool_calls.iter().map(describe_call).collect();
            match calls.is_empty() {
                true => "tool calls".to_owned(),
                false => calls.join(", "),
            }
        }
        _ => step.type_.as_ref().map_or_else(|| "step".to_owned(), ToString::to_string),
    }
}

fn describe_call(call: &ToolCall) -> String {
    match call {
        ToolCall::Function(call) => format!("{}({})", call.function.name, call.function.arguments),
        ToolCall::CodeInterpreter(_) => "code_interpreter".to_owned(),
        ToolCall::FileSearch(_) => "file_search".to_owned(),
        _ => "tool call".to_owned(),
    }
}

/// Returns the total number of tokens, or `-` if it is unknown.
pub(crate) fn tokens(usage: Option<&Usage>) -> String {
    let total = usage.and_then(|usage| usage.total_tokens);
    total.map_or_else(|| "-".to_owned(), |total| total.to_string())
}

/// Returns how a run ended, on one line: status, duration and tokens.
pub(crate) fn summary(run: &Run) -> String {
    let mut parts = vec![run.status.to_string()];
    parts.extend(run.duration().map(|duration| time::duration(Some(duration))));
    let total = run.usage.as_ref().and_then(|usage| usage.total_tokens);
    parts.extend(total.map(|total| format!("{total} tokens")));
    parts.join(", ")
}
