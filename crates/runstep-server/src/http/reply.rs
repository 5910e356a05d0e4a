//! Replies: objects as JSON, and runs with the pace at which to ask again, or as their events.

use axum::Json;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use runstep_api::types::{Run, RunStatus};

use super::App;
use super::error::ApiError;
use super::events::StreamPlace;
use crate::engine::is_terminal;
use crate::events::Listener;

pub(super) const POLL_AFTER: &str = "openai-poll-after-ms";

pub(super) type Reply<T> = Result<Json<T>, ApiError>;

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
    ) -> Response {
        match listener {
            None => self.run(run),
            Some((listener, place)) => self.events(listener, place),
        }
    }
}
