//! Polling a run until it is terminal or requires action.

mod and_poll;
mod cancellation;
mod deadline;
mod ensure_idle;
mod error_policy;
mod intervals;
mod poll_all;
mod statuses;
mod steps;

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::Response;
use runstep::{Backoff, Error, ErrorKind, Poll, PollErrorPolicy, Result};
use serde_json::{Value, json};

use crate::harness::{
    Behavior, RecordingServer, ScriptedServer, TestServer, advance_time, example, fast_retries,
    hanging_response, http_response, json_response, run_with_status,
};

const MILLISECOND: Duration = Duration::from_millis(1);
/// A deadline that tests wait for. Long enough for one poll request on a busy machine.
const SHORT_DEADLINE: Duration = Duration::from_millis(250);
const HOUR: Duration = Duration::from_secs(3600);

/// Starts a server whose run has these statuses in order. The last one repeats.
async fn server_with_statuses(statuses: &'static [&'static str]) -> RecordingServer {
    server_with_changed_responses(statuses, |_| {}).await
}

async fn server_with_changed_responses(
    statuses: &'static [&'static str],
    change: fn(&mut Response),
) -> RecordingServer {
    RecordingServer::start(move |number| {
        let mut response =
            json_response(&run_with_status(statuses[number.min(statuses.len() - 1)]));
        change(&mut response);
        response
    })
    .await
}

/// Polls the example run with a deadline that is shorter than a test runner's timeout.
fn poll(server: &RecordingServer) -> Poll {
    server.client().runs("thread_abc123").poll("run_abc123").deadline(HOUR / 720)
}

/// Returns all statuses of the stream, and the error that ended it, if any.
async fn updates(poll: Poll) -> (Vec<String>, Option<Error>) {
    let mut updates = poll.watch();
    let mut statuses = Vec::new();
    loop {
        match updates.try_next().await {
            Ok(Some(run)) => statuses.push(run.status.to_string()),
            last => {
                assert!(
                    updates.try_next().await.unwrap().is_none(),
                    "the stream continues after its end"
                );
                return (statuses, last.err());
            }
        }
    }
}

fn assert_deadline(result: Result<runstep::types::Run>, status: Option<&str>) -> Error {
    let error = result.unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.run().map(|run| run.status.as_str()), status);
    error
}

/// A scripted response to a poll request.
enum PollResponse {
    /// The run with this status.
    Status(&'static str),
    /// An error response with this HTTP status.
    HttpError(u16),
}

use PollResponse::{HttpError, Status};

/// Starts a server with these responses to poll requests, of which the last one repeats. It accepts
/// requests to cancel.
async fn server_with_polls(script: &'static [PollResponse]) -> RecordingServer {
    let polls = Arc::new(AtomicUsize::new(0));
    RecordingServer::start_with(move |_, request| {
        if request.method == "POST" {
            return json_response(&run_with_status("cancelling"));
        }
        let number = polls.fetch_add(1, Ordering::SeqCst);
        match &script[number.min(script.len() - 1)] {
            Status(status) => json_response(&run_with_status(status)),
            HttpError(status) => {
                http_response(*status, &[], r#"{"error": {"message": "scripted failure"}}"#)
            }
        }
    })
    .await
}

fn cancels(server: &RecordingServer) -> usize {
    server.count_of("POST", "/threads/thread_abc123/runs/run_abc123/cancel")
}

/// Waits for the expected requests to cancel, and a little longer for unexpected ones.
async fn assert_cancels(server: &RecordingServer, expected: usize) {
    for _ in 0..2000 {
        if cancels(server) >= expected {
            break;
        }
        tokio::time::sleep(MILLISECOND).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(cancels(server), expected);
}
