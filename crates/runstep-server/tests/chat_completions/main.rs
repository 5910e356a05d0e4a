//! A model behind a chat completions endpoint: what it sends, what it makes of replies, and how a
//! run ends by them. The provider is a socket of this machine that plays a script.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bodies;
mod failures;
mod replies;
mod retries;
mod robust;
mod runs;
#[path = "../support/mod.rs"]
mod support;
mod tool_calls;
mod upstream;
