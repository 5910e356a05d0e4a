//! Responses with a run: as JSON with a suggested polling interval, or as an event stream.

use std::convert::Infallible;

use super::error::ApiError;
use super::event_stream::StreamPermit;
use super::state::ServerState;
use crate::engine::RunView;
use crate::events::Subscriber;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

pub(super) const POLL_AFTER: &str = "openai-poll-after-ms";

pub(super) type JsonResult<T> = Result<Json<T>, ApiError>;
/// JSON that is not parsed.
pub(super) type TextResult = Result<JsonText, ApiError>;
/// A run or its event stream.
pub(super) type RunResult = Result<Response, ApiError>;

/// A JSON text as a body.
pub(super) struct JsonText(pub(super) Bytes);

impl IntoResponse for JsonText {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], self.0).into_response()
    }
}

/// The part of the request's path before `/threads`, such as `/v1`.
pub(super) struct Prefix(String);

impl Prefix {
    /// Returns the path of a run with the same prefix.
    pub(super) fn run_path(&self, thread_id: &str, run_id: &str) -> String {
        format!("{}/threads/{thread_id}/runs/{run_id}", self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Prefix {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let OriginalUri(uri) = OriginalUri::from_request_parts(parts, state).await?;
        let prefix = uri.path().rsplit_once("/threads/").map(|(prefix, _)| prefix);
        Ok(Self(prefix.unwrap_or_default().to_owned()))
    }
}

impl ServerState {
    /// Responds with a run, and with a polling interval while the server works on it.
    pub(super) fn run(&self, run: RunView) -> Response {
        let mut response = JsonText(run.json).into_response();
        if !run.has_settled {
            let milliseconds = u64::try_from(self.poll_after.as_millis()).unwrap_or(u64::MAX);
            response.headers_mut().insert(POLL_AFTER, HeaderValue::from(milliseconds));
        }
        response
    }

    /// Responds with a run, or with its events if the request was for a stream.
    pub(super) fn run_or_events(
        &self,
        run: RunView,
        stream: Option<(Subscriber, StreamPermit)>,
        prefix: &Prefix,
    ) -> Response {
        match stream {
            None => self.run(run),
            Some((subscriber, permit)) => {
                let path = prefix.run_path(&run.thread_id, &run.run_id);
                self.event_stream(subscriber, permit, &path)
            }
        }
    }
}
