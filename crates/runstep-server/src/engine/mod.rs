//! The behavior of the API: creates and changes objects, and executes runs.

mod active_runs;
mod admission;
mod assistant_cache;
mod assistants;
mod built_in_output;
mod built_in_tools;
mod capabilities;
mod citations;
mod context;
mod context_cache;
mod conversation;
mod deltas;
mod error;
mod execution;
mod expiry;
mod finish;
mod hidden_step;
mod history;
mod idempotency;
mod journal;
mod lifecycle;
mod lists;
mod live_runs;
mod messages;
mod nodes;
mod objects;
mod outcome;
mod output;
mod prompt;
mod recovery;
mod run_events;
mod run_feed;
mod run_search;
mod run_state;
mod run_texts;
mod run_writer;
mod runs;
mod serialized;
mod steps;
mod threads;
mod tool_outputs;
mod transactions;
mod turns;
mod upstream_objects;
mod vector_stores;

pub(crate) use context::{Engine, EngineFactory, EngineOptions};
pub(crate) use error::EngineError;
pub(crate) use run_feed::{RunUpdate, RunUpdates};
pub(crate) use run_search::RunSearch;
pub(crate) use runs::RunView;
pub(crate) use upstream_objects::AdoptedIds;

#[cfg(test)]
mod tests;
