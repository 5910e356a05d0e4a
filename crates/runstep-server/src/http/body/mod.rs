//! Request bodies: read within limits, decompressed, validated and decoded.
//!
//! | file | part |
//! | --- | --- |
//! | `read.rs` | reads a body within the limit of one body and the limit of all |
//! | `encoding.rs` | decompresses a body |
//! | `size.rs` | estimates the memory of a parsed body before it is parsed |
//! | `mod.rs` | parses, validates and decodes; long bodies outside of the async workers |

mod encoding;
mod read;
mod size;

use std::sync::Arc;
use std::thread;

use axum::body::Bytes;
use runstep_api::{Decode, decode};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::encoding::Encoding;
pub(super) use self::read::RequestBody;
use super::error::ApiError;
use super::state::ServerState;
use crate::limits::Limits;
use crate::schema::Schemas;

/// The length in bytes above which a body is long: it is counted, and parsed in a blocking thread.
const LONG_BODY_BYTES: usize = 64 * 1024;

/// The memory that long bodies share, and the threads that parse them.
#[derive(Debug)]
pub(super) struct BodyBudget {
    /// One permit for each KiB of a long body that is being read or parsed.
    kibibytes: Arc<Semaphore>,
    /// One permit for each long body that is being parsed. Parsed bodies need more memory than
    /// their text, and parsing needs a processor that other requests wait for.
    parsers: Arc<Semaphore>,
}

impl BodyBudget {
    pub(super) fn new(limits: &Limits) -> Self {
        // A body of the maximum length must fit.
        let bytes = limits.max_buffered_body_bytes.max(limits.max_body_bytes);
        let kibibytes = bytes.div_ceil(1024).min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            kibibytes: Arc::new(Semaphore::new(kibibytes)),
            parsers: Arc::new(Semaphore::new((processors / 2).max(1))),
        }
    }
}

/// A body that was read.
struct ReadBody {
    bytes: Bytes,
    encoding: Encoding,
    /// The share of a long body in the [`BodyBudget`].
    permit: Option<OwnedSemaphorePermit>,
}

/// A function that parses, validates and decodes a body.
struct Decoder {
    schemas: &'static Schemas,
    component: &'static str,
    max_body_bytes: usize,
}

impl ServerState {
    /// Reads a body, validates it and decodes it as a component of the specification.
    pub(super) async fn decode<T: Decode + Send + 'static>(
        &self,
        component: &'static str,
        body: RequestBody,
    ) -> Result<T, ApiError> {
        let body = self.read(body).await?;
        if body.bytes.is_empty() {
            // Reports the first missing property, if any is required.
            self.schemas.validate(component, &Value::Object(Map::new()))?;
            return Err(ApiError::MissingBody);
        }
        self.decode_body(component, body).await
    }

    /// Does the same for an optional body, whose default is `{}`.
    pub(super) async fn decode_optional<T: Decode + Send + 'static>(
        &self,
        component: &'static str,
        body: RequestBody,
    ) -> Result<T, ApiError> {
        let mut body = self.read(body).await?;
        if body.bytes.is_empty() {
            body = ReadBody {
                bytes: Bytes::from_static(b"{}"),
                encoding: Encoding::Identity,
                permit: None,
            };
        }
        self.decode_body(component, body).await
    }

    async fn decode_body<T: Decode + Send + 'static>(
        &self,
        component: &'static str,
        body: ReadBody,
    ) -> Result<T, ApiError> {
        let max_body_bytes = self.limits.max_body_bytes;
        let decoder = Decoder { schemas: self.schemas, component, max_body_bytes };
        let Some(permit) = body.permit else { return decoder.decode(&body.bytes) };
        // The semaphore is never closed.
        let parser = Arc::clone(&self.body_budget.parsers).acquire_owned().await.ok();
        let decoded = tokio::task::spawn_blocking(move || {
            // Held until the thread ends, even if the request has ended.
            let _permits = (parser, permit);
            match body.encoding.decompress(body.bytes, max_body_bytes) {
                Ok(bytes) => decoder.decode(&bytes),
                Err(error) => Err(error),
            }
        });
        decoded.await.unwrap_or_else(|error| {
            Err(ApiError::Internal(format!("The body could not be decoded: {error}.")))
        })
    }
}

impl Decoder {
    fn decode<T: Decode>(&self, bytes: &[u8]) -> Result<T, ApiError> {
        if size::is_too_large(bytes, self.max_body_bytes) {
            // A syntax error is more helpful. Finding it takes no memory.
            serde_json::from_slice::<IgnoredAny>(bytes).map_err(ApiError::InvalidJson)?;
            return Err(ApiError::TooManyValues);
        }
        let mut value: Value = serde_json::from_slice(bytes).map_err(ApiError::InvalidJson)?;
        self.schemas.remove_nulls(self.component, &mut value);
        self.schemas.validate(self.component, &value)?;
        self.schemas.normalize_integers(self.component, &mut value);
        // Not the original text: of repeated members, only the last was validated.
        let valid = value.to_string();
        drop(value);
        // The types are generated from the schemas, so a valid body can be decoded.
        decode(valid.as_bytes()).map_err(|error| {
            ApiError::Internal(format!("The {} could not be decoded: {error}.", self.component))
        })
    }
}
