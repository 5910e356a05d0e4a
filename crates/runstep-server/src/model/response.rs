//! The `Model` trait and the responses of models.

use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;

use serde_json::Value;

use super::built_in::{CodeInterpreterCall, CodeOutput, FileSearchCall};
use super::request::ModelRequest;
use super::resources::UpstreamResources;

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

    /// Returns whether the model's provider executes `file_search` and `code_interpreter` and reads
    /// files by their ids. All of these are rejected otherwise. Default: false.
    fn supports_built_in_tools(&self) -> bool {
        false
    }

    /// Returns what the model is, for operators, such as the API and the address of a provider. It
    /// must not contain secrets. Default: `custom`.
    fn description(&self) -> String {
        "custom".to_owned()
    }

    /// Returns the files and vector stores of the model's provider, which the server passes on to its
    /// clients. Default: none.
    fn resources(&self) -> Option<UpstreamResources> {
        None
    }
}

impl<M: Model + ?Sized> Model for Arc<M> {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        M::respond(self, request)
    }

    fn supports_images(&self) -> bool {
        M::supports_images(self)
    }

    fn supports_built_in_tools(&self) -> bool {
        M::supports_built_in_tools(self)
    }

    fn description(&self) -> String {
        M::description(self)
    }

    fn resources(&self) -> Option<UpstreamResources> {
        M::resources(self)
    }
}

impl<M: Model + ?Sized> Model for Box<M> {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        M::respond(self, request)
    }

    fn supports_images(&self) -> bool {
        M::supports_images(self)
    }

    fn supports_built_in_tools(&self) -> bool {
        M::supports_built_in_tools(self)
    }

    fn description(&self) -> String {
        M::description(self)
    }

    fn resources(&self) -> Option<UpstreamResources> {
        M::resources(self)
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
    /// The end of a message. Text that follows belongs to another message.
    MessageEnd,
    /// A citation of a file at the end of the text so far.
    FileCitation {
        /// The id of the cited file.
        file_id: String,
        /// The text to append, which stands for the citation.
        marker: String,
    },
    /// A range of the message's text that stands for a file which the model has created.
    FilePath {
        /// The id of the file.
        file_id: String,
        /// Where the range starts, in characters of the content part with all markers.
        start: usize,
        /// Where the range ends.
        end: usize,
    },
    /// An image as a content part of the message.
    Image {
        /// The id of the image's file.
        file_id: String,
    },
    /// The start of a call of `code_interpreter`.
    CodeInterpreterStart {
        /// The index of the call among those of built-in tools, from 0.
        index: usize,
    },
    /// Text to append to the code of a call.
    Code {
        /// The index of the call.
        index: usize,
        /// The text to append.
        text: String,
    },
    /// The end of a call of `code_interpreter`.
    CodeInterpreterEnd {
        /// The index of the call.
        index: usize,
        /// The call. Its code is that of the preceding events.
        call: CodeInterpreterCall,
    },
    /// The start of a call of `file_search`.
    FileSearchStart {
        /// The index of the call among those of built-in tools, from 0.
        index: usize,
    },
    /// The end of a call of `file_search`.
    FileSearchEnd {
        /// The index of the call.
        index: usize,
        /// The call.
        call: FileSearchCall,
    },
    /// Reasoning that precedes the next message or call. Later requests of the run have it in its
    /// place, as this value.
    Reasoning(Value),
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

impl ModelEvent {
    /// Returns the ids of files that the model has created.
    pub(crate) fn created_files(&self) -> Vec<&str> {
        match self {
            Self::FilePath { file_id, .. } | Self::Image { file_id } => vec![file_id],
            Self::CodeInterpreterEnd { call, .. } => {
                let outputs = call.outputs.iter().filter_map(|output| match output {
                    CodeOutput::Image { file_id } => Some(file_id.as_str()),
                    CodeOutput::Logs(_) => None,
                });
                outputs.collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The reason why a model failed. It becomes the run's `last_error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
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
