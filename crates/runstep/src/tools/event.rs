//! Events of tool calls.

use std::time::Duration;

use super::error::ToolError;
use crate::suspended::PendingCall;

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
