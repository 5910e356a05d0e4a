//! The end of a run, and of its steps and messages that are still open then.

use runstep_api::types::{
    Message, MessageIncompleteDetails, MessageIncompleteReason, MessageStatus, RunError,
    RunErrorCode, RunIncompleteDetails, RunIncompleteReason, RunStatus, RunStep, RunStepError,
    RunStepErrorCode, RunStepStatus, StepDetails, Usage,
};

use super::lifecycle::{IllegalTransition, transition};
use super::run_state::{RunState, created_message};
use crate::events::Event;
use crate::model::{ModelError, ModelErrorKind};

/// The outcome of a run.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Completed,
    Incomplete(RunIncompleteReason),
    /// Cut off by the model's content filter: the run is incomplete. Only its message has the
    /// reason, because the API does not define one for runs.
    Filtered,
    Failed(ModelError),
    Cancelled,
    Expired,
}

impl Outcome {
    fn status(&self) -> RunStatus {
        match self {
            Self::Completed => RunStatus::Completed,
            Self::Incomplete(_) | Self::Filtered => RunStatus::Incomplete,
            Self::Failed(_) => RunStatus::Failed,
            Self::Cancelled => RunStatus::Cancelled,
            Self::Expired => RunStatus::Expired,
        }
    }
}

/// Ends a run and everything that is open in it. Returns the events in order: the message, its step,
/// the run.
pub(super) fn finish(
    state: &mut RunState,
    outcome: &Outcome,
    open_usage: &Usage,
    now: i64,
) -> Result<Vec<Event>, IllegalTransition> {
    // A cancellation that was accepted wins over an outcome at the same time.
    let is_cancelling = state.run.status == RunStatus::Cancelling;
    let outcome = if is_cancelling { &Outcome::Cancelled } else { outcome };
    transition(state.run.change(), outcome.status(), now)?;

    let mut open_usage =
        state.hidden.waiting_step_usage.take().unwrap_or_else(|| open_usage.clone());
    let mut events = close_steps(state, outcome, now, || {
        // The usages of all steps add up to the run's, so only one open step gets it.
        std::mem::replace(&mut open_usage, Usage::new(0, 0, 0))
    });

    let usage = state.hidden.usage();
    let run = state.run.change();
    run.usage = Some(usage);
    match outcome {
        Outcome::Incomplete(reason) => {
            let mut details = RunIncompleteDetails::default();
            details.reason = Some(reason.clone());
            run.incomplete_details = Some(details);
        }
        Outcome::Filtered => run.incomplete_details = Some(RunIncompleteDetails::default()),
        Outcome::Failed(error) => run.last_error = Some(run_error(error)),
        _ => {}
    }
    events.push(state.event());
    Ok(events)
}

/// Closes the steps that are open, and their messages. Returns the events in order: the message,
/// its step.
pub(super) fn close_steps(
    state: &mut RunState,
    outcome: &Outcome,
    now: i64,
    mut usage: impl FnMut() -> Usage,
) -> Vec<Event> {
    let mut events = Vec::new();
    let open: Vec<String> = state.open_steps().map(|step| step.id.clone()).collect();
    for id in open {
        let message = state.step(&id).and_then(created_message);
        if let Some(message_id) = message
            && let Some(message) = state.message_mut(&message_id)
        {
            finish_message(message, outcome, now);
            events.extend(state.message_event(&message_id));
        }
        if let Some(step) = state.step_mut(&id) {
            step.usage = Some(usage());
            finish_step(step, outcome, now);
            events.extend(state.step_event(&id, false));
        }
    }
    events
}

fn finish_message(message: &mut Message, outcome: &Outcome, now: i64) {
    let reason = match outcome {
        Outcome::Completed => {
            message.status = Some(MessageStatus::Completed);
            message.completed_at = Some(now);
            return;
        }
        Outcome::Incomplete(_) => MessageIncompleteReason::MaxTokens,
        Outcome::Filtered => MessageIncompleteReason::ContentFilter,
        Outcome::Failed(_) => MessageIncompleteReason::RunFailed,
        Outcome::Cancelled => MessageIncompleteReason::RunCancelled,
        Outcome::Expired => MessageIncompleteReason::RunExpired,
    };
    message.status = Some(MessageStatus::Incomplete);
    message.incomplete_at = Some(now);
    message.incomplete_details = Some(MessageIncompleteDetails::new(reason));
}

fn finish_step(step: &mut RunStep, outcome: &Outcome, now: i64) {
    let is_call = matches!(step.step_details, StepDetails::ToolCalls(_));
    let cut_off = |by: &str| {
        let message = format!("The arguments were cut off {by}.");
        RunStepError::new(RunStepErrorCode::ServerError, message)
    };
    step.last_error = match outcome {
        Outcome::Failed(error) => Some(step_error(error)),
        Outcome::Incomplete(_) if is_call => Some(cut_off("at the token limit")),
        Outcome::Filtered if is_call => Some(cut_off("by the model's content filter")),
        _ => None,
    };
    let (status, ended_at) = match outcome {
        _ if step.last_error.is_some() => (RunStepStatus::Failed, &mut step.failed_at),
        Outcome::Cancelled => (RunStepStatus::Cancelled, &mut step.cancelled_at),
        Outcome::Expired => (RunStepStatus::Expired, &mut step.expired_at),
        _ => (RunStepStatus::Completed, &mut step.completed_at),
    };
    *ended_at = Some(now);
    step.status = status;
}

fn run_error(error: &ModelError) -> RunError {
    let code = match error.kind {
        ModelErrorKind::Server => RunErrorCode::ServerError,
        ModelErrorKind::RateLimit => RunErrorCode::RateLimitExceeded,
        ModelErrorKind::InvalidPrompt => RunErrorCode::InvalidPrompt,
    };
    RunError::new(code, error.message.clone())
}

/// The API has no code for an invalid prompt in a step's error.
fn step_error(error: &ModelError) -> RunStepError {
    let code = match error.kind {
        ModelErrorKind::RateLimit => RunStepErrorCode::RateLimitExceeded,
        _ => RunStepErrorCode::ServerError,
    };
    RunStepError::new(code, error.message.clone())
}
