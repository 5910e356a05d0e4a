//! Function calls that wait for an answer, and tool loops that were suspended because of them.

use std::collections::HashSet;

use runstep_api::types::{Run, ToolOutput};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run_ref::RunRef;

/// A function call that a run requires.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct PendingCall {
    /// The id of the thread.
    pub thread_id: String,
    /// The id of the run.
    pub run_id: String,
    /// The id of the call.
    pub id: String,
    /// The name of the function.
    pub name: String,
    /// The arguments as JSON text, as the model generated it; it may be invalid.
    pub arguments: String,
}

impl PendingCall {
    /// Creates a call, for a test of an approval hook.
    pub fn new(
        run: impl Into<RunRef>,
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        let RunRef { thread_id, run_id } = run.into();
        Self { thread_id, run_id, id: id.into(), name: name.into(), arguments: arguments.into() }
    }
}

/// The decision about a call before it runs; see
/// [`approve`](crate::RunRequest::approve).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Approval {
    /// Run the call.
    Allow,
    /// Do not run the call; the model receives the reason.
    Deny(String),
    /// Run the call with these arguments instead.
    Edit(Value),
    /// Neither run nor answer the call now. The loop stops once the other calls of the round are
    /// executed, and returns a [`SuspendedRun`](SuspendedRun) with which
    /// [`Runs::resume`](crate::Runs::resume) continues later.
    Defer,
}

/// The state of a tool loop that waits for the outputs of deferred calls; see
/// [`Approval::Defer`](Approval::Defer).
///
/// It can be serialized and saved. [`Runs::resume`](crate::Runs::resume) continues the loop, also in
/// another process. The run itself expires at its [`expires_at`](Run::expires_at), usually ten minutes
/// after it was created.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct SuspendedRun {
    /// The run.
    pub run_ref: RunRef,
    /// The calls that wait for an answer.
    pub calls: Vec<PendingCall>,
    /// The outputs of the other calls of this round, which have been executed but not submitted.
    pub outputs: Vec<ToolOutput>,
    /// How many rounds the loop has started.
    pub rounds: u32,
}

/// What is known about the calls of a suspended round when it continues.
pub(crate) struct ResumedRound {
    /// All calls that waited, by which the round is recognized.
    pub(crate) deferred: Vec<PendingCall>,
    /// The calls that still wait, with the decision about each.
    pub(crate) calls: Vec<(PendingCall, Approval)>,
    /// The outputs of the other calls.
    pub(crate) outputs: Vec<ToolOutput>,
    pub(crate) rounds: u32,
}

impl ResumedRound {
    /// Returns whether the run requires exactly the function calls of this round.
    ///
    /// Ids are not sufficient, because some servers reuse them in each round: what was decided about a
    /// call must not apply to another one. Only the ids of calls with outputs are known.
    pub(crate) fn is_required_by(&self, run: &Run) -> bool {
        let required_calls = run.function_calls();
        let is_required = |call: &PendingCall| {
            required_calls.iter().any(|required| {
                let function = &required.function;
                required.id == call.id
                    && function.name == call.name
                    && function.arguments == call.arguments
            })
        };
        let submitted = self.outputs.iter().filter_map(|output| output.tool_call_id.as_deref());
        let waiting = self.calls.iter().map(|(call, _)| call.id.as_str());
        let known: HashSet<&str> = submitted.chain(waiting).collect();
        let required: HashSet<&str> = required_calls.iter().map(|call| call.id.as_str()).collect();
        known == required && self.deferred.iter().all(is_required)
    }
}
