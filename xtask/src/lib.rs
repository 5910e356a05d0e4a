//! Maintainer commands of runstep, as a library for their tests.

pub mod cluster;
pub mod codegen;
pub mod compat;
pub mod contract;
pub mod crash;
pub mod diff;
pub mod msrv;
pub mod operations;
pub mod programs;
pub mod release;
pub mod speed;
pub mod ui;
