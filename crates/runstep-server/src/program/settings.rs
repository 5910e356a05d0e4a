//! The settings that result from all options.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::data::OptionDuration;
use super::options::{Durability, HistoryMode, LogFormat, LogLevel, TokenLimit, UpstreamApi};

/// The options with their defaults. See [`Options`](super::options::Options).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) api_key_file: Option<PathBuf>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) no_ui: bool,
    pub(super) strict_beta_header: bool,
    pub(super) data: Option<String>,
    pub(super) durability: Durability,
    pub(super) retain_events: OptionDuration,
    pub(super) retain_runs: Option<OptionDuration>,
    pub(super) max_data_bytes: Option<u64>,
    pub(super) lease: OptionDuration,
    pub(super) max_database_connections: usize,
    pub(super) upstream: Option<String>,
    pub(super) upstream_api: UpstreamApi,
    pub(super) adopt: Vec<String>,
    pub(super) history: HistoryMode,
    pub(super) upstream_key_env: Option<String>,
    pub(super) model_map: Option<PathBuf>,
    pub(super) upstream_retries: u32,
    pub(super) upstream_timeout_seconds: u64,
    pub(super) upstream_token_limit: TokenLimit,
    pub(super) upstream_stream_usage: bool,
    pub(super) run_lifetime_seconds: u64,
    pub(super) poll_after_milliseconds: u64,
    pub(super) max_context_tokens: u64,
    pub(super) max_concurrent_runs: usize,
    pub(super) max_concurrent_runs_of_all_nodes: Option<usize>,
    pub(super) max_queued_runs: usize,
    pub(super) max_open_streams: usize,
    pub(super) max_connections: usize,
    pub(super) max_stored_bytes: usize,
    pub(super) max_stored_bytes_per_key: usize,
    pub(super) max_body_bytes: usize,
    pub(super) max_buffered_body_bytes: usize,
    pub(super) request_timeout_seconds: u64,
    pub(super) shutdown_timeout_seconds: u64,
    pub(super) log_level: LogLevel,
    pub(super) log_format: LogFormat,
}
