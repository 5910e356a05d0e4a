//! Models: a [`Model`] gets a conversation and streams text and tool calls.
//!
//! Four implementations come with the server: [`Offline`], which is deterministic and needs no
//! network, [`Scripted`], whose responses a test defines, and two that call a provider:
//! [`ChatCompletions`], and [`Responses`], with which runs can use the built-in tools.

mod arguments;
mod built_in;
mod chat_completions;
mod conversation;
mod offline;
mod prepared;
mod request;
mod resources;
mod response;
mod responses;
mod schema_text;
mod scripted;
mod tokens;
mod upstream;

pub use built_in::{
    CodeInterpreter, CodeInterpreterCall, CodeOutput, FileSearch, FileSearchCall, FoundPassage,
};
pub use chat_completions::ChatCompletions;
pub use conversation::{Conversation, Iter as ConversationIter};
pub use offline::Offline;
pub use request::{
    ConversationItem, Function, ModelRequest, NamedSchema, ResponseFormat, ToolCall, ToolChoice,
    UserPart,
};
pub(crate) use resources::ResourceError;
pub use resources::UpstreamResources;
pub use response::{Model, ModelError, ModelErrorKind, ModelEvent, ModelStream};
pub use responses::Responses;
pub use schema_text::SchemaText;
pub use scripted::{Scripted, Turn};
pub use tokens::estimate_tokens;
pub(crate) use tokens::{item_tokens, prompt_tokens, tokens_of_characters};
pub use upstream::{TokenLimitField, UpstreamBuilder, UpstreamError};
