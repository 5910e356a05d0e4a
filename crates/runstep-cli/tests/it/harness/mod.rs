//! A server with stable ids and times, and the program as a process.

mod aliases;
mod program;
mod server;

pub(crate) use program::Program;
pub(crate) use server::TestServer;
