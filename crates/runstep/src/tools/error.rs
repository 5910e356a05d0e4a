//! Errors of tool calls.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::output::HandlerError;
use crate::error::{Error, ErrorKind, Source, join};

/// Why a tool call returned no output. Cheap to clone.
#[derive(Clone)]
pub struct ToolError(Arc<Inner>);

struct Inner {
    tool: String,
    call_id: String,
    kind: ToolErrorKind,
    message: String,
    /// The text for the model.
    model_text: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kind of a [`ToolError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolErrorKind {
    /// The model called a function that is not in the toolbox.
    UnknownTool,
    /// The arguments are not valid JSON, or do not match the function's type.
    Arguments,
    /// The function returned an error.
    Handler,
    /// The function or the approval hook panicked.
    Panic,
    /// The function exceeded its timeout.
    Timeout,
    /// The run expired or the caller's deadline passed before the function returned.
    DeadlineExceeded,
}

impl ToolErrorKind {
    /// Returns the kind as one word, as used in traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTool => "unknown_tool",
            Self::Arguments => "arguments",
            Self::Handler => "handler",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::DeadlineExceeded => "deadline_exceeded",
        }
    }
}

/// Displays [`ToolErrorKind::as_str`].
impl fmt::Display for ToolErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Inner {
    fn new(tool: &str, call_id: &str, kind: ToolErrorKind, message: String) -> Self {
        Self {
            tool: tool.to_owned(),
            call_id: call_id.to_owned(),
            kind,
            model_text: message.clone(),
            message,
            source: None,
        }
    }
}

impl ToolError {
    fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(super) fn unknown<'a>(
        tool: &str,
        call_id: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
        let message = match known.as_slice() {
            [] => format!("unknown function `{tool}`; no functions are available"),
            known => {
                format!("unknown function `{tool}`; available functions: {}", join(known, ", "))
            }
        };
        Self::new(Inner::new(tool, call_id, ToolErrorKind::UnknownTool, message))
    }

    pub(super) fn arguments(tool: &str, call_id: &str, error: serde_json::Error) -> Self {
        let message = format!("invalid arguments for `{tool}`: {error}");
        let model_text = format!("{message}. Call it again with arguments that match its schema.");
        let inner = Inner::new(tool, call_id, ToolErrorKind::Arguments, message);
        Self::new(Inner { model_text, source: Some(error.into()), ..inner })
    }

    pub(super) fn handler(tool: &str, call_id: &str, error: HandlerError) -> Self {
        let message = format!("`{tool}` failed: {error}");
        let inner = Inner::new(tool, call_id, ToolErrorKind::Handler, message);
        Self::new(Inner { source: Some(error.into_source()), ..inner })
    }

    /// Creates the error of a panic. Its message is for the developer, not for the model.
    pub(super) fn panic(tool: &str, call_id: &str, panic: &(dyn std::any::Any + Send)) -> Self {
        let payload = panic.downcast_ref::<&str>().copied();
        let payload = payload.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = match payload {
            Some(payload) => format!("`{tool}` panicked: {payload}"),
            None => format!("`{tool}` panicked"),
        };
        let model_text = format!("`{tool}` failed with an internal error");
        Self::new(Inner { model_text, ..Inner::new(tool, call_id, ToolErrorKind::Panic, message) })
    }

    pub(super) fn timeout(tool: &str, call_id: &str, timeout: Duration) -> Self {
        let message = format!("`{tool}` exceeded its timeout of {timeout:?}");
        Self::new(Inner::new(tool, call_id, ToolErrorKind::Timeout, message))
    }

    pub(super) fn deadline_exceeded(tool: &str, call_id: &str) -> Self {
        let message = format!("`{tool}` did not return before the deadline of the run");
        Self::new(Inner::new(tool, call_id, ToolErrorKind::DeadlineExceeded, message))
    }

    /// Returns the name of the called function.
    pub fn tool(&self) -> &str {
        &self.0.tool
    }

    /// Returns the id of the call; empty if the call does not belong to a run.
    pub fn call_id(&self) -> &str {
        &self.0.call_id
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ToolErrorKind {
        self.0.kind
    }

    /// Returns the text that is submitted to the model instead of an output.
    pub(super) fn model_output(&self) -> String {
        format!("Error: {}", self.0.model_text)
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolError")
            .field("tool", &self.0.tool)
            .field("call_id", &self.0.call_id)
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for ToolError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}

impl From<ToolError> for Error {
    fn from(error: ToolError) -> Self {
        Self::new(ErrorKind::Tool, error.to_string()).with_source(Source::Other(Box::new(error)))
    }
}

impl Error {
    /// Returns the failed call, if the kind is [`ErrorKind::Tool`] and a call caused the error.
    pub fn tool_error(&self) -> Option<&ToolError> {
        self.source()?.downcast_ref()
    }
}
