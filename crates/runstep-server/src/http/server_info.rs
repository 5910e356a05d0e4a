//! What clients can learn of the server's configuration. It contains no secrets.

use serde::Serialize;

/// The configuration of a server.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServerInfo {
    pub(crate) object: &'static str,
    pub(crate) version: &'static str,
    /// Whether requests need a key.
    pub(crate) requires_key: bool,
    pub(crate) model: ModelInfo,
    pub(crate) data: DataInfo,
    pub(crate) runs: RunInfo,
    pub(crate) limits: LimitInfo,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ModelInfo {
    /// Such as `offline`, or the API and the address of a provider.
    pub(crate) description: String,
    pub(crate) supports_images: bool,
    pub(crate) supports_built_in_tools: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct DataInfo {
    /// `memory`, `file` or `database`.
    pub(crate) store: &'static str,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) retain_events_seconds: i64,
    pub(crate) retain_runs_seconds: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunInfo {
    pub(crate) lifetime_seconds: u64,
    pub(crate) poll_after_milliseconds: u64,
    /// `calls` or `messages`.
    pub(crate) history: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct LimitInfo {
    pub(crate) max_concurrent_runs: usize,
    pub(crate) max_queued_runs: usize,
    pub(crate) max_open_streams: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_context_tokens: u64,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_stored_bytes: usize,
    pub(crate) request_timeout_seconds: u64,
}
