//! Request bodies.

use axum::body::{Body, Bytes, to_bytes};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::state::ServerState;

impl ServerState {
    /// Reads a body, validates it and decodes it as a component of the specification.
    pub(super) async fn decode<T: DeserializeOwned>(
        &self,
        component: &str,
        body: Body,
    ) -> Result<T, ApiError> {
        let bytes = self.read(body).await?;
        if bytes.is_empty() {
            // Reports the first missing property, if any is required.
            self.schemas.validate(component, &Value::Object(Map::new()))?;
            return Err(ApiError::MissingBody);
        }
        self.decode_bytes(component, &bytes)
    }

    /// Does the same for an optional body, whose default is `{}`.
    pub(super) async fn decode_optional<T: DeserializeOwned>(
        &self,
        component: &str,
        body: Body,
    ) -> Result<T, ApiError> {
        let bytes = self.read(body).await?;
        self.decode_bytes(component, if bytes.is_empty() { b"{}" } else { &bytes })
    }

    fn decode_bytes<T: DeserializeOwned>(
        &self,
        component: &str,
        bytes: &[u8],
    ) -> Result<T, ApiError> {
        let mut value: Value = serde_json::from_slice(bytes).map_err(ApiError::InvalidJson)?;
        self.schemas.validate(component, &value)?;
        self.schemas.normalize_integers(component, &mut value);
        // The types are generated from the schemas, so a valid body can be decoded.
        serde_json::from_value(value).map_err(|error| {
            ApiError::Internal(format!("The {component} could not be decoded: {error}."))
        })
    }

    async fn read(&self, body: Body) -> Result<Bytes, ApiError> {
        let limit = self.limits.max_body_bytes;
        to_bytes(body, limit).await.map_err(|error| {
            let too_long = error.into_inner().is::<LengthLimitError>();
            if too_long { ApiError::TooLarge(limit) } else { ApiError::IncompleteBody }
        })
    }
}
