//! The extractor of authenticated clients.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::app::App;
use super::error::ApiError;
use crate::engine::Engine;

/// An authenticated client. Handlers can only reach an engine through this.
pub(super) struct Caller {
    pub(super) app: Arc<App>,
    pub(super) engine: Arc<Engine>,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let engine = Arc::clone(app.access.engine(&parts.headers)?);
        Ok(Self { app: Arc::clone(app), engine })
    }
}
