//! Replies: objects as JSON, runs with the pace at which to ask again, and events as they come.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::http::HeaderValue;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use runstep_api::types::{Run, RunStatus, StreamEvent};

use super::App;
use super::error::ApiError;
use crate::engine::{Listener, is_terminal};

/// A comment goes out when no event has for this long, so that nobody takes the line for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) type Reply<T> = Result<Json<T>, ApiError>;

impl App {
    /// A run; one that is under way with when to ask again.
    pub(super) fn run(&self, run: Run) -> Response {
        let waits = is_terminal(&run.status) || run.status == RunStatus::RequiresAction;
        let mut response = Json(run).into_response();
        if !waits {
            let pace =
                HeaderValue::from(u64::try_from(self.poll_after.as_millis()).unwrap_or(u64::MAX));
            response.headers_mut().insert("openai-poll-after-ms", pace);
        }
        response
    }

    /// A run, or its events if they were asked for.
    pub(super) fn run_or_events(&self, (run, listener): (Run, Option<Listener>)) -> Response {
        match listener {
            None => self.run(run),
            Some(listener) => {
                let keep_alive = KeepAlive::new().interval(HEARTBEAT);
                Sse::new(events(listener)).keep_alive(keep_alive).into_response()
            }
        }
    }
}

fn events(mut listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::poll_fn(move |context| listener.poll_recv(context))
        .chain(stream::iter([StreamEvent::Done]))
        .map(|event| {
            // Our own objects can always be written as JSON.
            let data = event.data().unwrap_or_default();
            Ok(Event::default().event(event.event()).data(data))
        })
}
