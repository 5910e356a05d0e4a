//! The extractor of requests from authenticated clients.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::query::{Empty, Parameters, Query};
use super::state::ServerState;
use crate::engine::Engine;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const MAX_KEY_LENGTH: usize = 255;
const BETA: &str = "openai-beta";

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
        let engine = state.access.engine(&parts.headers)?;
        if state.requires_beta_header && !has_beta_header(&parts.headers) {
            return Err(ApiError::BetaHeader);
        }
        let engine = match idempotency_key(&parts.headers)? {
            Some(key) => Arc::new(engine.with_idempotency_key(key)),
            None => Arc::clone(engine),
        };
        let Ok(Path(ids)) = Path::from_request_parts(parts, state).await else {
            return Err(ApiError::InvalidPath(parts.uri.path().to_owned()));
        };
        let query = Query::parse(parts.uri.query().unwrap_or_default(), P::NAMES)?;
        Ok(Self { state: Arc::clone(state), engine, ids, query, parameters: PhantomData })
    }
}

/// Returns whether a client asks for the version of the API that the server has.
fn has_beta_header(headers: &HeaderMap) -> bool {
    let values = headers.get_all(BETA).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|beta| beta.trim() == "assistants=v2")
}

/// Returns the key under which a client can repeat the request.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=MAX_KEY_LENGTH).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            let message = format!(
                "Invalid 'Idempotency-Key': expected 1 to {MAX_KEY_LENGTH} visible ASCII characters."
            );
            Err(ApiError::parameter("Idempotency-Key", "invalid_value", message))
        }
    }
}
