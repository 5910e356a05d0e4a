//! What one asks of the API's objects again and again.

use std::borrow::Cow;

use runstep_api::types::{
    Message, MessageContent, MessageContentDelta, MessageDelta, RequiredAction,
    RequiredFunctionToolCall, RequiredToolCall, Run, RunError, RunIncompleteReason, RunStatus,
};

/// Where a run stands; see [`RunExt::outcome`]. Every case is here, so a `match` needs no others.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// It completed.
    Completed(&'a Run),
    /// It waits for the outputs of these calls. None of them, if it waits for something that this
    /// version does not know: see [`Run::required_action`].
    RequiresAction(Vec<&'a RequiredFunctionToolCall>),
    /// It failed, with the reason if the server gave one.
    Failed(Option<&'a RunError>),
    /// It ended early, with the reason if the server gave one.
    Incomplete(Option<&'a RunIncompleteReason>),
    /// It was cancelled.
    Cancelled,
    /// It ran out of time.
    Expired,
    /// It is under way: queued, in progress, being cancelled, or in a status that nobody knows yet.
    UnderWay(&'a RunStatus),
}

/// Questions to a [`Run`].
pub trait RunExt {
    /// Whether the run has ended: completed, failed, incomplete, cancelled or expired. A status
    /// that nobody knows yet is no end.
    fn is_terminal(&self) -> bool;

    /// Where the run stands, for a `match` without strings.
    ///
    /// ```
    /// use runstep::prelude::*;
    /// use runstep::Outcome;
    ///
    /// # fn tell(run: &runstep::types::Run) {
    /// match run.outcome() {
    ///     Outcome::Completed(_) => println!("done"),
    ///     Outcome::RequiresAction(calls) => println!("{} calls", calls.len()),
    ///     Outcome::Failed(error) => println!("{error:?}"),
    ///     Outcome::Incomplete(reason) => println!("{reason:?}"),
    ///     Outcome::Cancelled | Outcome::Expired => println!("too late"),
    ///     Outcome::UnderWay(status) => println!("{status}"),
    /// }
    /// # }
    /// ```
    fn outcome(&self) -> Outcome<'_>;

    /// The function calls that the run waits for; none unless it requires action.
    fn function_calls(&self) -> Vec<&RequiredFunctionToolCall>;
}

impl RunExt for Run {
    fn is_terminal(&self) -> bool {
        matches!(
            self.status,
            RunStatus::Completed
                | RunStatus::Failed
                | RunStatus::Incomplete
                | RunStatus::Cancelled
                | RunStatus::Expired
        )
    }

    fn outcome(&self) -> Outcome<'_> {
        match &self.status {
            RunStatus::Completed => Outcome::Completed(self),
            RunStatus::RequiresAction => Outcome::RequiresAction(self.function_calls()),
            RunStatus::Failed => Outcome::Failed(self.last_error.as_ref()),
            RunStatus::Incomplete => {
                let details = self.incomplete_details.as_ref();
                Outcome::Incomplete(details.and_then(|details| details.reason.as_ref()))
            }
            RunStatus::Cancelled => Outcome::Cancelled,
            RunStatus::Expired => Outcome::Expired,
            status => Outcome::UnderWay(status),
        }
    }

    fn function_calls(&self) -> Vec<&RequiredFunctionToolCall> {
        // Some servers leave the action in a run that has gone on.
        let waits = self.status == RunStatus::RequiresAction;
        let action = self.required_action.as_ref().filter(|_| waits);
        let Some(RequiredAction::SubmitToolOutputs(action)) = action else {
            return Vec::new();
        };
        let calls = action.submit_tool_outputs.tool_calls.iter();
        calls
            .filter_map(|call| match call {
                RequiredToolCall::Function(call) => Some(call),
                _ => None,
            })
            .collect()
    }
}

/// Questions to a [`Message`].
pub trait MessageExt {
    /// The text of the message, its text parts one after the other.
    fn text(&self) -> String;
}

impl MessageExt for Message {
    fn text(&self) -> String {
        let parts = self.content.iter().filter_map(|part| match part {
            MessageContent::Text(content) => Some(content.text.value.as_str()),
            _ => None,
        });
        parts.collect()
    }
}

/// Questions to a [`MessageDelta`].
pub trait MessageDeltaExt {
    /// The text that the message grows by, of its text parts one after the other.
    fn text(&self) -> Cow<'_, str>;
}

impl MessageDeltaExt for MessageDelta {
    fn text(&self) -> Cow<'_, str> {
        let parts = self.delta.content.iter().flatten().filter_map(|part| match part {
            MessageContentDelta::Text(part) => part.text.as_ref()?.value.as_deref(),
            _ => None,
        });
        // Most often it is one part, which need not be copied.
        parts.map(Cow::Borrowed).reduce(|text, more| text + more).unwrap_or_default()
    }
}
