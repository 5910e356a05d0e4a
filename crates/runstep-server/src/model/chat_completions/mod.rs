//! A model behind a `/chat/completions` endpoint that is compatible with OpenAI's.
//!
//! A request becomes a [`body`]. The [`decoder`] turns the [`chunk`]s of the response into model
//! events, and [`tool_calls`] assembles the fragments of function calls.

mod body;
mod builder;
mod chunk;
mod client;
mod decoder;
mod tool_calls;

pub use client::ChatCompletions;
