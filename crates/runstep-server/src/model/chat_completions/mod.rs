//! A model behind a `/chat/completions` endpoint that is compatible with OpenAI's.
//!
//! A request becomes a [`body`]. A [`call`] sends it, with retries where that is safe, and reads
//! the response as server-sent events ([`sse`]). The [`decoder`] turns their [`chunk`]s into model
//! events, and [`tool_calls`] assembles the fragments of function calls.

mod body;
mod builder;
mod call;
mod chunk;
mod client;
mod decoder;
mod error;
mod event_queue;
mod retry;
mod sse;
mod tool_calls;
mod upstream;

pub use builder::{ChatCompletionsBuilder, ChatCompletionsError};
pub use client::ChatCompletions;
pub use upstream::TokenLimitField;
