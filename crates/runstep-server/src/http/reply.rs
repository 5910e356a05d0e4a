//! Replies: objects as JSON, runs with the pace at which to ask again, and events as they come.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::http::HeaderValue;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use runstep_api::types::{ErrorObject, Run, RunStatus, StreamEvent};
use tokio_util::sync::CancellationToken;

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
                Sse::new(events(listener, self.engine.closing()))
                    .keep_alive(keep_alive)
                    .into_response()
            }
        }
    }
}

fn events(
    listener: Listener,
    closing: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    told(listener, closing).map(|event| {
        // Our own objects can always be written as JSON.
        let data = event.data().unwrap_or_default();
        Ok(Event::default().event(event.event()).data(data))
    })
}

/// The events as they come, and `done`. A stream that breaks off before the last event of its leg
/// says so, lest it be taken for a complete one.
fn told(listener: Listener, closing: CancellationToken) -> impl Stream<Item = StreamEvent> {
    enum Place {
        /// More may come; what came last is the leg's last event, or not.
        Open(Listener, bool),
        BrokenOff,
        Over,
    }
    stream::unfold(Place::Open(listener, false), move |place| {
        let closing = closing.clone();
        async move {
            match place {
                Place::Open(mut listener, complete) => Some(match listener.recv().await {
                    Some(event) => {
                        let complete = is_last(&event);
                        (event, Place::Open(listener, complete))
                    }
                    None if complete => (StreamEvent::Done, Place::Over),
                    None => (broken_off(closing.is_cancelled()), Place::BrokenOff),
                }),
                Place::BrokenOff => Some((StreamEvent::Done, Place::Over)),
                Place::Over => None,
            }
        }
    })
}

/// Whether nothing comes after an event, other than `done`.
fn is_last(event: &StreamEvent) -> bool {
    matches!(
        event,
        StreamEvent::RunRequiresAction(_)
            | StreamEvent::RunCompleted(_)
            | StreamEvent::RunIncomplete(_)
            | StreamEvent::RunFailed(_)
            | StreamEvent::RunCancelled(_)
            | StreamEvent::RunExpired(_)
    )
}

fn broken_off(closing: bool) -> StreamEvent {
    let message = if closing {
        "The server is shutting down."
    } else {
        "The stream broke off before the run had ended."
    };
    let mut error = ErrorObject::new(message);
    error.type_ = Some("server_error".to_owned());
    StreamEvent::Error(error)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// The names of what is told when these come and then no more.
    async fn names(events: Vec<StreamEvent>, closing: &CancellationToken) -> Vec<String> {
        let (sender, listener) = mpsc::channel(8);
        for event in events {
            sender.try_send(event).expect("there is room");
        }
        drop(sender);
        let told = told(listener, closing.clone());
        told.map(|event| match event {
            StreamEvent::Error(error) => error.message,
            event => event.event().to_owned(),
        })
        .collect()
        .await
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_says_so() {
        let run = || Run::new("run_1", 0, "thread_1", RunStatus::InProgress);
        let closing = CancellationToken::new();
        let message = "The stream broke off before the run had ended.";
        assert_eq!(names(vec![], &closing).await, [message, "done"]);
        let cut = vec![StreamEvent::RunInProgress(run()), StreamEvent::RunCancelling(run())];
        let told = names(cut.clone(), &closing).await;
        assert_eq!(told, ["thread.run.in_progress", "thread.run.cancelling", message, "done"]);
        closing.cancel();
        let message = "The server is shutting down.";
        let told = names(cut, &closing).await;
        assert_eq!(told, ["thread.run.in_progress", "thread.run.cancelling", message, "done"]);
    }

    #[tokio::test]
    async fn a_complete_stream_is_done() {
        let run = || Run::new("run_1", 0, "thread_1", RunStatus::InProgress);
        let closing = CancellationToken::new();
        closing.cancel();
        for last in [
            StreamEvent::RunRequiresAction(run()),
            StreamEvent::RunCompleted(run()),
            StreamEvent::RunIncomplete(run()),
            StreamEvent::RunFailed(run()),
            StreamEvent::RunCancelled(run()),
            StreamEvent::RunExpired(run()),
        ] {
            let name = last.event().to_owned();
            let events = vec![StreamEvent::RunInProgress(run()), last];
            let told = names(events, &closing).await;
            assert_eq!(told, ["thread.run.in_progress", &name, "done"]);
        }
    }
}
