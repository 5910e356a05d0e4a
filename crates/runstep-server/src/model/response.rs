//! The `Model` trait and the responses of models.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;

use super::request::ModelRequest;

/// The response of a model as a stream of events.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<ModelEvent, ModelError>> + Send>>;

/// A model that responds to a conversation.
///
/// The stream ends after the last event of the response, or after the first error. It is dropped
/// when the run is cancelled or expires, which must release its resources.
pub trait Model: Send + Sync + 'static {
    /// Starts a response.
    fn respond(&self, request: ModelRequest) -> ModelStream;

    /// Returns whether the model supports images in messages, which are rejected otherwise.
    /// Default: false.
    fn supports_images(&self) -> bool {
        false
    }
}

impl<M: Model + ?Sized> Model for Arc<M> {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        M::respond(self, request)
    }

    fn supports_images(&self) -> bool {
        M::supports_images(self)
    }
}

impl<M: Model + ?Sized> Model for Box<M> {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        M::respond(self, request)
    }

    fn supports_images(&self) -> bool {
        M::supports_images(self)
    }
}

/// An event of a model's response.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelEvent {
    /// Text to append to the message.
    Text(String),
    /// Text to append to the refusal, with which the model declines to answer.
    Refusal(String),
    /// The start of a function call.
    ToolCall {
        /// The index of the call within the response, from 0.
        index: usize,
        /// The name of the function.
        name: String,
    },
    /// Text to append to the arguments of a call, which are JSON.
    Arguments {
        /// The index of the call.
        index: usize,
        /// The text to append.
        text: String,
    },
    /// The token usage, once, towards the end of the response.
    Usage {
        /// Tokens of the request.
        prompt_tokens: u64,
        /// Tokens of the response.
        completion_tokens: u64,
    },
    /// The response was cut off at `max_completion_tokens`.
    TokenLimit,
    /// The response was cut off by a content filter.
    ContentFilter,
}

/// The reason why a model failed. It becomes the run's `last_error`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelError {
    /// The kind of error.
    pub kind: ModelErrorKind,
    /// The message for a person.
    pub message: String,
}

/// The kind of a [`ModelError`], which determines `last_error.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelErrorKind {
    /// `server_error`
    Server,
    /// `rate_limit_exceeded`
    RateLimit,
    /// `invalid_prompt`
    InvalidPrompt,
}

impl ModelError {
    /// Creates an error.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ModelError {}
