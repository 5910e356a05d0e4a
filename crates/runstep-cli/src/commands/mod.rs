//! The commands, one module each.

pub(crate) mod api;
pub(crate) mod ask;
pub(crate) mod assistants;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod runs;
pub(crate) mod steps;
pub(crate) mod threads;
