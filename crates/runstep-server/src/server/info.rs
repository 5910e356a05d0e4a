//! What clients can learn of the configuration.

use super::start::seconds;
use super::{Data, ServerBuilder};
use crate::http::{DataInfo, LimitInfo, ModelInfo, RunInfo, ServerInfo};

impl ServerBuilder {
    pub(super) fn info(&self) -> ServerInfo {
        let limits = &self.limits;
        ServerInfo {
            object: "server",
            version: env!("CARGO_PKG_VERSION"),
            requires_key: !self.keys.is_empty(),
            model: ModelInfo {
                description: self.model.description(),
                supports_images: self.model.supports_images(),
                supports_built_in_tools: self.model.supports_built_in_tools(),
            },
            data: DataInfo {
                store: match self.data {
                    Data::Memory => "memory",
                    Data::File(_) => "file",
                    #[cfg(feature = "postgres")]
                    Data::Postgres(_) => "database",
                },
                max_bytes: Some(self.max_data_bytes).filter(|limit| *limit != u64::MAX),
                retain_events_seconds: seconds(self.retain_events),
                retain_runs_seconds: self.retain_runs.map(seconds),
            },
            runs: RunInfo {
                lifetime_seconds: self.run_lifetime.as_secs(),
                poll_after_milliseconds: u64::try_from(self.poll_after.as_millis())
                    .unwrap_or(u64::MAX),
                history: if self.history.has_calls() { "calls" } else { "messages" },
            },
            limits: LimitInfo {
                max_concurrent_runs: limits.max_concurrent_runs,
                max_queued_runs: limits.max_queued_runs,
                max_open_streams: limits.max_open_streams,
                max_connections: limits.max_connections,
                max_context_tokens: limits.max_context_tokens,
                max_body_bytes: limits.max_body_bytes,
                max_stored_bytes: limits.max_stored_bytes,
                request_timeout_seconds: limits.request_timeout.as_secs(),
            },
        }
    }
}
