//! How a run ends, and what becomes of the steps and messages that are still open then.

use runstep_api::types::{
    Message, MessageIncompleteDetails, MessageIncompleteReason, MessageStatus, RunError,
    RunErrorCode, RunIncompleteDetails, RunIncompleteReason, RunStatus, RunStep, RunStepError,
    RunStepErrorCode, RunStepStatus, StepDetails, StreamEvent, Usage,
};

use super::lifecycle::{IllegalTransition, transition};
use crate::model::{ModelError, ModelErrorKind};
use crate::store::{Ordered, RunState};

/// Why a run ends.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    Completed,
    Incomplete(RunIncompleteReason),
    /// Cut by the model's filter: incomplete, for a reason that only the message's names.
    Filtered,
    Failed(ModelError),
    Cancelled,
    Expired,
}

impl Ending {
    fn status(&self) -> RunStatus {
        match self {
            Self::Completed => RunStatus::Completed,
            Self::Incomplete(_) | Self::Filtered => RunStatus::Incomplete,
            Self::Failed(_) => RunStatus::Failed,
            Self::Cancelled => RunStatus::Cancelled,
            Self::Expired => RunStatus::Expired,
        }
    }

    /// The status's name.
    fn name(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Incomplete(_) | Self::Filtered => "incomplete",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// Ends a run and everything that is open in it. Gives the name of the status that it ends with,
/// and the events that tell of it, in order: the message, its step, the run.
pub(super) fn end(
    state: &mut RunState,
    messages: &mut Ordered<Message>,
    ending: &Ending,
    open_usage: &Usage,
    now: i64,
) -> Result<(&'static str, Vec<StreamEvent>), IllegalTransition> {
    // A cancel that came while the answer ended has been promised to whoever asked for it.
    let cancelling = state.run.status == RunStatus::Cancelling;
    let ending = if cancelling { &Ending::Cancelled } else { ending };
    transition(&mut state.run, ending.status(), now)?;

    let mut events = Vec::new();
    let open = state.steps.values_mut().filter(|step| step.status == RunStepStatus::InProgress);
    let mut open_usage = state.waiting_step_usage.take().unwrap_or_else(|| open_usage.clone());
    for step in open {
        if let StepDetails::MessageCreation(details) = &step.step_details
            && let Some(message) = messages.get_mut(&details.message_creation.message_id)
        {
            end_message(message, ending, now);
            events.push(match ending {
                Ending::Completed => StreamEvent::MessageCompleted(Box::new(message.clone())),
                _ => StreamEvent::MessageIncomplete(Box::new(message.clone())),
            });
        }
        // The steps' usages add up to the run's.
        let none = Usage::new(0, 0, 0);
        step.usage = Some(std::mem::replace(&mut open_usage, none));
        events.push(end_step(step, ending, now));
    }

    state.run.usage = Some(state.used.clone());
    state.waiting = None;
    match ending {
        Ending::Incomplete(reason) => {
            let mut details = RunIncompleteDetails::default();
            details.reason = Some(reason.clone());
            state.run.incomplete_details = Some(details);
        }
        Ending::Filtered => state.run.incomplete_details = Some(RunIncompleteDetails::default()),
        Ending::Failed(error) => state.run.last_error = Some(run_error(error)),
        _ => {}
    }
    let run = state.run.clone();
    events.push(match ending {
        Ending::Completed => StreamEvent::RunCompleted(Box::new(run)),
        Ending::Incomplete(_) | Ending::Filtered => StreamEvent::RunIncomplete(Box::new(run)),
        Ending::Failed(_) => StreamEvent::RunFailed(Box::new(run)),
        Ending::Cancelled => StreamEvent::RunCancelled(Box::new(run)),
        Ending::Expired => StreamEvent::RunExpired(Box::new(run)),
    });
    Ok((ending.name(), events))
}

fn end_message(message: &mut Message, ending: &Ending, now: i64) {
    let reason = match ending {
        Ending::Completed => {
            message.status = MessageStatus::Completed;
            message.completed_at = Some(now);
            return;
        }
        Ending::Incomplete(_) => MessageIncompleteReason::MaxTokens,
        Ending::Filtered => MessageIncompleteReason::ContentFilter,
        Ending::Failed(_) => MessageIncompleteReason::RunFailed,
        Ending::Cancelled => MessageIncompleteReason::RunCancelled,
        Ending::Expired => MessageIncompleteReason::RunExpired,
    };
    message.status = MessageStatus::Incomplete;
    message.incomplete_at = Some(now);
    message.incomplete_details = Some(MessageIncompleteDetails::new(reason));
}

fn end_step(step: &mut RunStep, ending: &Ending, now: i64) -> StreamEvent {
    let cut_call = matches!(step.step_details, StepDetails::ToolCalls(_));
    let error = match ending {
        Ending::Failed(error) => Some(step_error(error)),
        Ending::Incomplete(_) if cut_call => {
            let message = "The arguments were cut at the token limit.";
            Some(RunStepError::new(RunStepErrorCode::ServerError, message))
        }
        Ending::Filtered if cut_call => {
            let message = "The arguments were cut by the model's content filter.";
            Some(RunStepError::new(RunStepErrorCode::ServerError, message))
        }
        _ => None,
    };
    if let Some(error) = error {
        step.status = RunStepStatus::Failed;
        step.failed_at = Some(now);
        step.last_error = Some(error);
        return StreamEvent::StepFailed(Box::new(step.clone()));
    }
    match ending {
        Ending::Cancelled => {
            step.status = RunStepStatus::Cancelled;
            step.cancelled_at = Some(now);
            StreamEvent::StepCancelled(Box::new(step.clone()))
        }
        Ending::Expired => {
            step.status = RunStepStatus::Expired;
            step.expired_at = Some(now);
            StreamEvent::StepExpired(Box::new(step.clone()))
        }
        _ => {
            step.status = RunStepStatus::Completed;
            step.completed_at = Some(now);
            StreamEvent::StepCompleted(Box::new(step.clone()))
        }
    }
}

fn run_error(error: &ModelError) -> RunError {
    let code = match error.kind {
        ModelErrorKind::Server => RunErrorCode::ServerError,
        ModelErrorKind::RateLimit => RunErrorCode::RateLimitExceeded,
        ModelErrorKind::InvalidPrompt => RunErrorCode::InvalidPrompt,
    };
    RunError::new(code, error.message.clone())
}

/// A step's error has no code for a prompt.
fn step_error(error: &ModelError) -> RunStepError {
    let code = match error.kind {
        ModelErrorKind::RateLimit => RunStepErrorCode::RateLimitExceeded,
        _ => RunStepErrorCode::ServerError,
    };
    RunStepError::new(code, error.message.clone())
}
