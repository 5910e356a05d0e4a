//! The extractor of requests from authenticated clients.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::query::{Empty, Parameters, Query};
use super::state::ServerState;
use crate::engine::Engine;

/// A request of an authenticated client, whose query may have the parameters `P`. Handlers can only
/// reach an engine through this.
pub(super) struct Caller<Ids = (), P = Empty> {
    pub(super) state: Arc<ServerState>,
    pub(super) engine: Arc<Engine>,
    /// The ids in the path.
    pub(super) ids: Ids,
    pub(super) query: Query,
    parameters: PhantomData<P>,
}

impl<Ids: DeserializeOwned + Send, P: Parameters> FromRequestParts<Arc<ServerState>>
    for Caller<Ids, P>
{
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<ServerState>,
    ) -> Result<Self, ApiError> {
        let engine = Arc::clone(state.access.engine(&parts.headers)?);
        let Ok(Path(ids)) = Path::from_request_parts(parts, state).await else {
            return Err(ApiError::InvalidPath(parts.uri.path().to_owned()));
        };
        let query = Query::parse(parts.uri.query().unwrap_or_default(), P::NAMES)?;
        Ok(Self { state: Arc::clone(state), engine, ids, query, parameters: PhantomData })
    }
}
