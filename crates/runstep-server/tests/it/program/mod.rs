//! The program: what it makes of its options, what it says, and how it ends.

mod configuration;
mod process;
mod serving;
mod signals;
mod startup_errors;
