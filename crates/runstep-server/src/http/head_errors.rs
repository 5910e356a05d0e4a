//! Responses to requests whose head cannot be read, which therefore reach no route.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;

use super::error::ApiError;
use super::request_context::REQUEST_ID;
use crate::ids::Ids;
use crate::metrics::Metrics;

/// Creates the responses to malformed heads.
pub(crate) struct HeadErrors {
    ids: Ids,
    metrics: Arc<Metrics>,
}

impl HeadErrors {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { ids: Ids::default(), metrics }
    }

    /// Creates, logs and counts a whole response in HTTP/1.1, after which the connection is closed.
    pub(crate) fn response(&self, status: StatusCode) -> Vec<u8> {
        let request_id = self.ids.next("req");
        let code = status.as_u16();
        tracing::info!(target: "runstep_server::http", request_id, status = code, "malformed head");
        self.metrics.record_request("none", code, Duration::ZERO);
        let body = ApiError::MalformedHead(status).body().to_string();
        let date = httpdate::fmt_http_date(SystemTime::now());
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{REQUEST_ID}: {request_id}\r\n\
             connection: close\r\ncontent-length: {}\r\ndate: {date}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}
