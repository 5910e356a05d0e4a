//! Reads a body within the limit of one body and the limit of all.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::encoding::Encoding;
use super::{LONG_BODY_BYTES, ReadBody};
use crate::http::error::ApiError;
use crate::http::state::ServerState;

/// How long a long body waits until other long bodies have been parsed.
const BUDGET_TIMEOUT: Duration = Duration::from_secs(5);

/// The body of a request that is not read yet, and the headers about it.
pub(in crate::http) struct RequestBody {
    headers: HeaderMap,
    body: Body,
}

impl<S: Send + Sync> FromRequest<S> for RequestBody {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let (parts, body) = request.into_parts();
        Ok(Self { headers: parts.headers, body })
    }
}

impl ServerState {
    /// Reads a body. Nothing is read of one that is declared to be too long, so a client that
    /// expects `100 Continue` does not send it.
    pub(super) async fn read(&self, request: RequestBody) -> Result<ReadBody, ApiError> {
        let RequestBody { headers, mut body } = request;
        let limit = self.limits.max_body_bytes;
        let hint = body.size_hint();
        if hint.lower() > limit as u64 {
            return Err(ApiError::TooLarge(limit));
        }
        let encoding = Encoding::of(&headers)?;
        // A compressed body has any length up to the limit.
        let declared = hint.exact().filter(|_| encoding == Encoding::Identity);
        let reserved = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(limit);

        let mut permit = None;
        if encoding != Encoding::Identity {
            permit = Some(self.reserve(reserved).await?);
        }
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiError::IncompleteBody)?;
            let Ok(data) = frame.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > limit {
                return Err(ApiError::TooLarge(limit));
            }
            // A body counts only after its first part has arrived. Otherwise idle clients could
            // reserve all memory.
            if length > LONG_BODY_BYTES && permit.is_none() {
                permit = Some(self.reserve(reserved).await?);
                bytes.reserve_exact(reserved.saturating_sub(bytes.len()));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(ReadBody { bytes: bytes.into(), encoding, permit })
    }

    /// Reserves memory for a long body.
    async fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.body_budget.kibibytes).acquire_many_owned(kibibytes);
        match tokio::time::timeout(BUDGET_TIMEOUT, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ApiError::TooManyBodies),
        }
    }
}
