//! The calls of a run, and what becomes of each.

use std::time::Duration;

use serde_json::Value;

use super::error::ToolError;

/// A call that a run asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionCall {
    /// The thread.
    pub thread_id: String,
    /// The run.
    pub run_id: String,
    /// The call's id.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments as JSON text, as the model wrote it; it may be invalid.
    pub arguments: String,
}

/// What is decided about a call before it runs; see
/// [`WithToolbox::approve`](crate::tools::WithToolbox::approve).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Approval {
    /// It runs as it is.
    Allow,
    /// It does not run, and the model is told why.
    Deny(String),
    /// It runs with these arguments in place of its own.
    Edit(Value),
}

/// What becomes of a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ToolEvent {
    /// It runs, with the arguments that were approved.
    Started(FunctionCall),
    /// It gave an output.
    Finished {
        /// The call.
        call: FunctionCall,
        /// What the model will read.
        output: String,
        /// How long it ran.
        elapsed: Duration,
    },
    /// It gave no output.
    Failed {
        /// The call.
        call: FunctionCall,
        /// Why.
        error: ToolError,
        /// How long it ran; zero if it never did.
        elapsed: Duration,
    },
    /// It was not allowed to run.
    Denied {
        /// The call.
        call: FunctionCall,
        /// Why.
        reason: String,
    },
}

impl ToolEvent {
    /// The call that this is about.
    pub fn call(&self) -> &FunctionCall {
        match self {
            Self::Started(call)
            | Self::Finished { call, .. }
            | Self::Failed { call, .. }
            | Self::Denied { call, .. } => call,
        }
    }
}
