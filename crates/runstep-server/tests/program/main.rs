//! The program: what it makes of its options, what it says, and how it ends.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod configuration;
mod process;
mod refusals;
mod serving;
mod signals;
