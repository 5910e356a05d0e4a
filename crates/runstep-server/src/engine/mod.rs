//! The behaviour of the API: creates and changes objects, and executes runs.

mod admission;
mod assistants;
mod capabilities;
mod context;
mod deltas;
mod error;
mod execution;
mod finish;
mod lifecycle;
mod lists;
mod messages;
mod objects;
mod output;
mod prompt;
mod run_handle;
mod runs;
mod steps;
mod threads;
mod tool_outputs;

pub(crate) use context::{Engine, EngineFactory, EngineOptions};
pub(crate) use error::EngineError;
pub(crate) use lifecycle::is_terminal;
