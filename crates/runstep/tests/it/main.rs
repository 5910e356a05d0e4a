//! Integration tests of the `runstep` crate: one binary with a module per topic.
//!
//! The tests share one process. The `traces` tests therefore install their subscriber for the
//! current thread only, and the tests of environment variables start child processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod application;
mod client;
mod compile_errors;
mod deadlines;
mod end_to_end;
mod examples;
mod harness;
mod layers;
mod polling;
mod requests;
mod retries;
mod run_outcome;
mod streaming;
mod structured;
mod test_util;
mod tools;
