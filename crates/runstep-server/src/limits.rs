//! Limits on what clients can use at a time.

use std::time::Duration;

/// Bounds on the memory and the time that clients can use.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Length of a request body.
    pub(crate) body_bytes: usize,
    /// Runs in progress.
    pub(crate) concurrent_runs: usize,
    /// Runs that wait to be in progress.
    pub(crate) queued_runs: usize,
    /// Open event streams.
    pub(crate) open_streams: usize,
    /// Prompt tokens of a run whose truncation strategy is `auto`.
    pub(crate) context_tokens: u64,
    /// Estimated size of all objects.
    pub(crate) stored_bytes: usize,
    /// Open connections.
    pub(crate) connections: usize,
    /// Time for the head of a request, then for its body and the start of the response, and for a
    /// client to read any part of a response.
    pub(crate) request_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 8 * 1024 * 1024,
            concurrent_runs: 1024,
            queued_runs: 4096,
            open_streams: 4096,
            context_tokens: 128_000,
            stored_bytes: 1024 * 1024 * 1024,
            connections: 8192,
            request_time: Duration::from_secs(60),
        }
    }
}
