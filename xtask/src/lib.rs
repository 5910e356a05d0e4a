//! Maintainer commands of runstep, as a library so that its steps can be tested.

pub mod codegen;
pub mod compat;
pub mod contract;
pub mod diff;
pub mod operations;
pub mod programs;
