//! Integration tests of the server.
//!
//! All tests share one process: none may change environment variables, the current directory or
//! the global `tracing` subscriber.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod authentication;
mod body_limits;
mod broken_responses;
mod browser_origins;
mod chat_completions;
mod console;
mod data_file;
mod deletion;
mod fault_injection;
mod harness;
mod idempotency;
mod invalid_requests;
mod layers;
mod limits;
mod logging;
mod manual_clock;
mod memory_quota;
mod nulls_and_defaults;
mod objects;
mod observability;
mod pagination;
mod program;
mod refused_requests;
mod rejected_content;
mod responses;
mod restarts;
mod routing;
mod runs;
mod shutdown;
mod spawned_server;
mod specification;
mod streaming;
mod ui;
mod unknown_paths_and_ids;
mod unsupported_features;

/// Whether the servers under test keep their objects in a file.
const HAS_DATA_FILE: bool = false;
