//! Models: a [`Model`] gets a conversation and streams text and tool calls.
//!
//! Three implementations come with the server: [`Offline`], which is deterministic and needs no
//! network, [`Scripted`], whose responses a test defines, and [`ChatCompletions`], which calls a
//! provider.

mod arguments;
mod chat_completions;
mod conversation;
mod offline;
mod prepared;
mod request;
mod response;
mod schema_text;
mod scripted;
mod tokens;

pub use chat_completions::{
    ChatCompletions, ChatCompletionsBuilder, ChatCompletionsError, TokenLimitField,
};
pub use conversation::{Conversation, Iter as ConversationIter};
pub use offline::Offline;
pub use request::{
    ConversationItem, Function, ModelRequest, NamedSchema, ResponseFormat, ToolCall, ToolChoice,
    UserPart,
};
pub use response::{Model, ModelError, ModelErrorKind, ModelEvent, ModelStream};
pub use schema_text::SchemaText;
pub use scripted::{Scripted, Turn};
pub use tokens::estimate_tokens;
pub(crate) use tokens::{item_tokens, prompt_tokens, tokens_of_characters};
