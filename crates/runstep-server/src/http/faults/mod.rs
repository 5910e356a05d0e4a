//! Fault injection, to test how programs handle errors of a server.

mod body;
mod fault;
mod inject;

pub use fault::{Fault, Faults};
pub(super) use inject::inject;
