//! The `runstep-server` program, run as a child process.

mod configuration;
mod data;
mod process;
mod serving;
mod signals;
mod startup_errors;
