//! Tests of the program against a server in the same process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod ask;
mod assistants;
mod connection;
mod doctor;
mod documents;
mod exit_codes;
mod export;
mod harness;
mod input;
#[cfg(unix)]
mod interactive;
mod layers;
mod lists;
mod output;
mod runs;
mod secrets;
mod steps;
mod threads;
