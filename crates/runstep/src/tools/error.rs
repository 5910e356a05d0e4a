//! Why a call gave no output.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::output::HandlerError;
use crate::error::{Error, ErrorKind, Source};

/// Why a call of a tool gave no output. Cheap to clone.
#[derive(Clone)]
pub struct ToolError(Arc<Inner>);

struct Inner {
    tool: String,
    call_id: String,
    kind: ToolErrorKind,
    message: String,
    /// What the model is told.
    advice: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of failure a [`ToolError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolErrorKind {
    /// The model called a function that is not in the toolbox.
    UnknownTool,
    /// The arguments are no JSON, or do not fit the function's type.
    Arguments,
    /// The function gave an error.
    Handler,
    /// The function, or the hook that approves calls, panicked.
    Panic,
    /// The function took longer than its timeout.
    Timeout,
    /// The run's expiry or the caller's deadline came before the function was done.
    Late,
}

impl ToolErrorKind {
    /// The kind as one word, as traces have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTool => "unknown_tool",
            Self::Arguments => "arguments",
            Self::Handler => "handler",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Late => "late",
        }
    }
}

impl Inner {
    fn new(tool: &str, call_id: &str, kind: ToolErrorKind, message: String) -> Self {
        Self {
            tool: tool.to_owned(),
            call_id: call_id.to_owned(),
            kind,
            advice: message.clone(),
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
            [] => format!("there is no function `{tool}`, nor any other"),
            known => format!("there is no function `{tool}` among {}", known.join(", ")),
        };
        Self::new(Inner::new(tool, call_id, ToolErrorKind::UnknownTool, message))
    }

    pub(super) fn arguments(tool: &str, call_id: &str, error: serde_json::Error) -> Self {
        let message = format!("the arguments of `{tool}` do not fit: {error}");
        let advice = format!("{message}. Call it again with arguments that fit its schema.");
        let inner = Inner::new(tool, call_id, ToolErrorKind::Arguments, message);
        Self::new(Inner { advice, source: Some(error.into()), ..inner })
    }

    pub(super) fn handler(tool: &str, call_id: &str, error: HandlerError) -> Self {
        let message = format!("`{tool}` failed: {error}");
        let inner = Inner::new(tool, call_id, ToolErrorKind::Handler, message);
        Self::new(Inner { source: Some(error.into_source()), ..inner })
    }

    /// What a panic says is for whoever wrote the function, not for the model.
    pub(super) fn panic(tool: &str, call_id: &str, panic: &(dyn std::any::Any + Send)) -> Self {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = match said {
            Some(said) => format!("`{tool}` panicked: {said}"),
            None => format!("`{tool}` panicked"),
        };
        let advice = format!("`{tool}` failed for a reason that it does not tell");
        Self::new(Inner { advice, ..Inner::new(tool, call_id, ToolErrorKind::Panic, message) })
    }

    pub(super) fn timeout(tool: &str, call_id: &str, timeout: Duration) -> Self {
        let message = format!("`{tool}` was not done within {timeout:?}, and was cancelled");
        Self::new(Inner::new(tool, call_id, ToolErrorKind::Timeout, message))
    }

    pub(super) fn late(tool: &str, call_id: &str) -> Self {
        let message = format!("`{tool}` was not done before the run's time was up");
        Self::new(Inner::new(tool, call_id, ToolErrorKind::Late, message))
    }

    /// The name that was called.
    pub fn tool(&self) -> &str {
        &self.0.tool
    }

    /// The call's id; empty when no run made the call.
    pub fn call_id(&self) -> &str {
        &self.0.call_id
    }

    /// Which kind of failure this is.
    pub fn kind(&self) -> ToolErrorKind {
        self.0.kind
    }

    /// What the model is told in place of an output.
    pub(super) fn output(&self) -> String {
        format!("Error: {}", self.0.advice)
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
    /// The failed call, when the kind is [`ErrorKind::Tool`] and a call was to blame.
    pub fn tool_error(&self) -> Option<&ToolError> {
        self.source()?.downcast_ref()
    }
}
