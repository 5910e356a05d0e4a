//! Replies: objects as JSON, and runs with the pace at which to ask again, or as their events.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use runstep_api::types::{Run, RunStatus};

use super::App;
use super::error::ApiError;
use super::events::StreamPlace;
use crate::engine::is_terminal;
use crate::events::Listener;

pub(super) const POLL_AFTER: &str = "openai-poll-after-ms";

pub(super) type Reply<T> = Result<Json<T>, ApiError>;

/// Where the one who asks has found the API: what is before `/threads` in the path.
pub(super) struct Prefix(String);

impl Prefix {
    /// The path of a run, for the same one.
    pub(super) fn of_run(&self, thread_id: &str, run_id: &str) -> String {
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

impl App {
    /// A run; one that is under way with when to ask again.
    pub(super) fn run(&self, run: Run) -> Response {
        let waits = is_terminal(&run.status) || run.status == RunStatus::RequiresAction;
        let mut response = Json(run).into_response();
        if !waits {
            let pace =
                HeaderValue::from(u64::try_from(self.poll_after.as_millis()).unwrap_or(u64::MAX));
            response.headers_mut().insert(POLL_AFTER, pace);
        }
        response
    }

    /// A run, or its events if they were asked for.
    pub(super) fn run_or_events(
        &self,
        run: Run,
        listener: Option<(Listener, StreamPlace)>,
        prefix: &Prefix,
    ) -> Response {
        match listener {
            None => self.run(run),
            Some((listener, place)) => {
                self.events(listener, place, &prefix.of_run(&run.thread_id, &run.id))
            }
        }
    }
}
