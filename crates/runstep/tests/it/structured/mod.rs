//! Structured output: a response parsed into a Rust type.

mod polling;
mod streaming;
