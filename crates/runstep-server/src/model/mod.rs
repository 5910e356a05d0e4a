//! What answers: a [`Model`] gets a conversation and streams back text and tool calls.
//!
//! Three come with the server: [`Offline`], which needs no network and always gives the same answer,
//! and [`Scripted`], which says what a test tells it to.

mod answer;
mod arguments;
mod chat_completions;
mod offline;
mod scripted;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use serde_json::{Map, Value};

pub(crate) use answer::{item_tokens, prompt_tokens};
pub use chat_completions::{
    ChatCompletions, ChatCompletionsBuilder, ChatCompletionsError, TokenLimitField,
};
pub use offline::Offline;
pub use scripted::{Scripted, Turn};

/// The answer of a model as it comes.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<ModelEvent, ModelError>> + Send>>;

/// Something that answers a conversation.
///
/// The stream ends after the answer's last event, or after its first error. It is dropped when the
/// run is cancelled or expires: what it holds must be let go by that.
pub trait Model: Send + Sync + 'static {
    /// Begins an answer.
    fn respond(&self, request: ModelRequest) -> ModelStream;

    /// Whether it can look at images. Messages with images are refused for one that cannot, which
    /// is the default.
    fn sees_images(&self) -> bool {
        false
    }
}

impl<M: Model + ?Sized> Model for Arc<M> {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        M::respond(self, request)
    }

    fn sees_images(&self) -> bool {
        M::sees_images(self)
    }
}

impl<M: Model + ?Sized> Model for Box<M> {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        M::respond(self, request)
    }

    fn sees_images(&self) -> bool {
        M::sees_images(self)
    }
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelRequest {
    /// The model that the run names.
    pub model: String,
    /// The run's instructions.
    pub instructions: Option<String>,
    /// The thread so far, oldest first.
    pub conversation: Vec<ConversationItem>,
    /// The functions that may be called.
    pub tools: Vec<Function>,
    /// Whether a function may, must or must not be called.
    pub tool_choice: ToolChoice,
    /// Whether one answer may call several functions.
    pub parallel_tool_calls: bool,
    /// The form of the text.
    pub response_format: ResponseFormat,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// How much effort a reasoning model should take.
    pub reasoning_effort: Option<String>,
    /// How many tokens the answer may have.
    pub max_completion_tokens: Option<u64>,
}

impl ModelRequest {
    /// A request with only a conversation; the rest at its defaults.
    pub fn new(model: impl Into<String>, conversation: Vec<ConversationItem>) -> Self {
        Self {
            model: model.into(),
            instructions: None,
            conversation,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: true,
            response_format: ResponseFormat::Text,
            temperature: None,
            top_p: None,
            reasoning_effort: None,
            max_completion_tokens: None,
        }
    }
}

/// A part of a conversation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConversationItem {
    /// What the user wrote.
    User(String),
    /// What the user wrote and showed; only for a model that [sees images](Model::sees_images).
    UserParts(Vec<UserPart>),
    /// What the assistant wrote.
    Assistant(String),
    /// The functions that the assistant called in one answer.
    ToolCalls(Vec<ToolCall>),
    /// What a function gave back.
    ToolOutput {
        /// The call's id.
        call_id: String,
        /// The function's output.
        output: String,
    },
}

/// A part of what a user wrote and showed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserPart {
    /// Text.
    Text(String),
    /// An image.
    Image {
        /// Where it is, or the image itself as a `data:` URL.
        url: String,
        /// How closely to look, such as `low` or `high`.
        detail: Option<String>,
    },
}

/// A function that was called.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The call's id.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments, as JSON text.
    pub arguments: String,
}

/// A function that may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The JSON schema of its arguments; without one it takes none.
    pub parameters: Option<Map<String, Value>>,
    /// Whether the arguments must fit the schema exactly.
    pub strict: bool,
}

/// Whether a function may, must or must not be called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// None may be called.
    None,
    /// At least one must be called.
    Required,
    /// This one must be called.
    Function(String),
}

/// The form of an answer's text.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Any text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema(NamedSchema),
}

/// A JSON schema for an answer's text.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedSchema {
    /// What the run calls it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The schema.
    pub schema: Value,
    /// Whether the text must fit the schema exactly.
    pub strict: bool,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelEvent {
    /// More text.
    Text(String),
    /// More of the text with which the model declines to answer.
    Refusal(String),
    /// A function call begins. Calls are numbered from 0 within an answer.
    ToolCall {
        /// The call's number.
        index: usize,
        /// The function's name.
        name: String,
    },
    /// More of the arguments of the call with that number, as JSON text.
    Arguments {
        /// The call's number.
        index: usize,
        /// The text to append.
        text: String,
    },
    /// What the answer cost, once, towards its end.
    Usage {
        /// Tokens of what the model was asked.
        prompt_tokens: u64,
        /// Tokens of its answer.
        completion_tokens: u64,
    },
    /// The answer was cut because it reached `max_completion_tokens`.
    TokenLimit,
    /// The answer was cut because a filter objected to it.
    ContentFilter,
}

/// Why a model gave no answer. It becomes the run's `last_error`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelError {
    /// Which kind of failure.
    pub kind: ModelErrorKind,
    /// What happened, for a person.
    pub message: String,
}

/// Kinds of failure, as `last_error.code` tells them.
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
    /// A failure of a kind.
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

/// A rough count of a text's tokens: one for each four characters begun.
pub fn count_tokens(text: &str) -> u64 {
    tokens_of(text.chars().count())
}

/// The same of a text of so many characters.
pub(crate) fn tokens_of(characters: usize) -> u64 {
    characters.div_ceil(4) as u64
}
