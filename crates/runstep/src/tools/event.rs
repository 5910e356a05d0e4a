//! Tool calls and their events.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ToolError;

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

/// The decision about a call before it runs; see
/// [`WithToolbox::approve`](crate::tools::WithToolbox::approve).
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
    /// executed, and returns a [`SuspendedRun`](super::SuspendedRun) with which
    /// [`Runs::resume`](crate::Runs::resume) continues later.
    Defer,
}

/// An event of a tool call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ToolEvent {
    /// The call has started, with the approved arguments.
    Started(PendingCall),
    /// The call returned an output.
    Finished {
        /// The call.
        call: PendingCall,
        /// The output for the model.
        output: String,
        /// How long the call ran.
        elapsed: Duration,
    },
    /// The call failed.
    Failed {
        /// The call.
        call: PendingCall,
        /// The error.
        error: ToolError,
        /// How long the call ran; zero if it did not start.
        elapsed: Duration,
    },
    /// The approval hook denied the call.
    Denied {
        /// The call.
        call: PendingCall,
        /// The reason.
        reason: String,
    },
    /// The call was deferred: by the approval hook, or because its function has no handler.
    Deferred(PendingCall),
}

impl ToolEvent {
    /// Returns the call.
    pub fn call(&self) -> &PendingCall {
        match self {
            Self::Started(call)
            | Self::Deferred(call)
            | Self::Finished { call, .. }
            | Self::Failed { call, .. }
            | Self::Denied { call, .. } => call,
        }
    }
}
