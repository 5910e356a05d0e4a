//! Methods of runs and messages.

use std::borrow::Cow;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::time::Duration;

use serde_json::Value;

use crate::types::{
    FunctionDefinition, FunctionTool, Message, MessageContent, MessageContentDelta, MessageDelta,
    RequiredAction, RequiredFunctionToolCall, RequiredToolCall, Run, RunError, RunIncompleteReason,
    RunStatus, RunStep, Tool, Usage,
};

/// The status of a run with the data that belongs to it; see [`Run::outcome`].
///
/// The enum is exhaustive, so a `match` needs no wildcard arm.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// The run completed.
    Completed(&'a Run),
    /// The run waits for the outputs of these calls.
    ///
    /// The list is empty if the required action is of a kind that this version does not model; see
    /// [`Run::required_action`].
    RequiresAction(Vec<&'a RequiredFunctionToolCall>),
    /// The run failed, with the error if the server sent one.
    Failed(Option<&'a RunError>),
    /// The run ended early, with the reason if the server sent one.
    Incomplete(Option<&'a RunIncompleteReason>),
    /// The run was cancelled.
    Cancelled,
    /// The run exceeded its time limit.
    Expired,
    /// The run is queued, in progress, being cancelled, or in a status that this version does not
    /// list.
    Active(&'a RunStatus),
}

impl From<FunctionDefinition> for Tool {
    fn from(function: FunctionDefinition) -> Self {
        FunctionTool::new(function).into()
    }
}

impl Run {
    /// Returns whether the run has ended: completed, failed, incomplete, cancelled or expired.
    ///
    /// A status that this version does not list is not terminal.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self.status,
            RunStatus::Completed
                | RunStatus::Failed
                | RunStatus::Incomplete
                | RunStatus::Cancelled
                | RunStatus::Expired
        )
    }

    /// Returns the status with the data that belongs to it.
    ///
    /// # Examples
    ///
    /// ```
    /// use runstep_api::Outcome;
    /// use runstep_api::types::Run;
    ///
    /// fn describe(run: &Run) -> String {
    ///     match run.outcome() {
    ///         Outcome::Completed(_) => "done".to_owned(),
    ///         Outcome::RequiresAction(calls) => format!("{} calls", calls.len()),
    ///         Outcome::Failed(error) => format!("{error:?}"),
    ///         Outcome::Incomplete(reason) => format!("{reason:?}"),
    ///         Outcome::Cancelled | Outcome::Expired => "too late".to_owned(),
    ///         Outcome::Active(status) => status.to_string(),
    ///     }
    /// }
    /// ```
    pub fn outcome(&self) -> Outcome<'_> {
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
            status => Outcome::Active(status),
        }
    }

    /// Returns how long the run has worked, from its start to its end, to the second. `None` if it has not
    /// ended, or if the server does not send these times. Waiting for tool outputs is included.
    pub fn duration(&self) -> Option<Duration> {
        between(self.started_at, [self.completed_at, self.failed_at, self.cancelled_at])
    }

    /// Returns the function calls that the run waits for.
    ///
    /// The list is empty unless the status is `requires_action`.
    pub fn function_calls(&self) -> Vec<&RequiredFunctionToolCall> {
        // Some servers leave the required action in a run that has continued.
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

impl RunStep {
    /// Returns how long the step took, to the second. `None` if it has not ended, or if the server does not
    /// send these times.
    pub fn duration(&self) -> Option<Duration> {
        let ends = [self.completed_at, self.failed_at, self.cancelled_at, self.expired_at];
        between(self.created_at, ends)
    }
}

/// Returns the time to the first known end. Clocks of servers can go back.
fn between(start: Option<i64>, ends: impl IntoIterator<Item = Option<i64>>) -> Option<Duration> {
    let end = ends.into_iter().flatten().next()?;
    Some(Duration::from_secs(u64::try_from(end.saturating_sub(start?)).unwrap_or_default()))
}

/// Adds the counts. A count that one side does not know is that of the other; properties that are not
/// listed are those of the left side.
impl Add for Usage {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let counts = [
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.total_tokens, other.total_tokens),
        ];
        for (sum, count) in counts {
            *sum = match (*sum, count) {
                (Some(sum), Some(count)) => Some(sum.saturating_add(count)),
                (sum, count) => sum.or(count),
            };
        }
    }
}

/// The usage of several runs or steps:
/// `runs.iter().filter_map(|run| run.usage.clone()).sum::<Usage>()`.
impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::new(0, 0, 0), Add::add)
    }
}

impl<'a> Sum<&'a Usage> for Usage {
    fn sum<I: Iterator<Item = &'a Usage>>(usages: I) -> Self {
        usages.cloned().sum()
    }
}

impl Message {
    /// Returns the text of the message: its text parts, concatenated.
    ///
    /// Content that is a string, and parts whose `text` is one, are text, too: some servers send them.
    pub fn text(&self) -> String {
        let parts = self.content.iter().filter_map(|part| match part {
            MessageContent::Text(content) => Some(content.text.value.as_str()),
            MessageContent::Unknown(part) => plain_text(part),
            _ => None,
        });
        let plain = self.other.get("content").and_then(Value::as_str);
        parts.chain(plain).collect()
    }
}

/// Returns the text of a part that is a string, or whose text is one.
fn plain_text(part: &Value) -> Option<&str> {
    part.as_str().or_else(|| {
        let is_text = part.get("type")? == "text";
        part.get("text").filter(|_| is_text)?.as_str()
    })
}

impl MessageDelta {
    /// Returns the text that the delta adds: its text parts, concatenated. As in
    /// [`Message::text`], strings are text.
    pub fn text(&self) -> Cow<'_, str> {
        // A delta usually has one part, which needs no copy.
        let mut text = Cow::default();
        for part in self.delta.content.iter().flatten() {
            text += match part {
                MessageContentDelta::Text(part) => match &part.text {
                    Some(text) => text.value.as_deref(),
                    None => part.other.get("text").and_then(Value::as_str),
                },
                MessageContentDelta::Unknown(part) => plain_text(part),
                _ => None,
            }
            .unwrap_or_default();
        }
        text += self.delta.other.get("content").and_then(Value::as_str).unwrap_or_default();
        text
    }
}
