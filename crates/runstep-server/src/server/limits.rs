//! How much a server takes from outside at a time.

use std::time::Duration;

/// What bounds the memory and the time that clients can claim.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// How long a request's body may be.
    pub(crate) body_bytes: usize,
    /// How many runs are in progress at a time.
    pub(crate) concurrent_runs: usize,
    /// How many more may wait for their turn.
    pub(crate) queued_runs: usize,
    /// How many streams are open at a time.
    pub(crate) open_streams: usize,
    /// What the newest messages are fitted into when a run leaves the truncation to the server.
    pub(crate) context_tokens: u64,
    /// What all objects may take.
    pub(crate) stored_bytes: usize,
    /// How many connections are open at a time.
    pub(crate) connections: usize,
    /// How long the head of a request may take, and then its body and the beginning of its reply;
    /// and how long a client may take nothing of a reply.
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
