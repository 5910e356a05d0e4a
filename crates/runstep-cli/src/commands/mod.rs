//! The commands, one module each.

pub(crate) mod api;
pub(crate) mod ask;
pub(crate) mod assistants;
pub(crate) mod completions;
pub(crate) mod doctor;
mod entries;
pub(crate) mod export;
pub(crate) mod runs;
pub(crate) mod steps;
pub(crate) mod threads;

/// Parses how many entries to list.
fn count(argument: &str) -> Result<u64, String> {
    let count = argument.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "expected a whole number of at least 1".to_owned())
}
