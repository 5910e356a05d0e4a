//! Waiting for a run.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use runstep::{Error, ErrorKind, Poll, Result};
use serde_json::Value;
use support::{Recorder, example, json, reply};

const TINY: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn run(status: &str) -> Value {
    let mut run = example("Run");
    run["status"] = status.into();
    run
}

/// A server where the run takes these statuses one after the other, and keeps the last.
async fn server_of(script: &'static [&'static str]) -> Recorder {
    scripted(script, |_| {}).await
}

async fn scripted(script: &'static [&'static str], change: fn(&mut Response)) -> Recorder {
    Recorder::start(move |number| {
        let mut response = json(&run(script[number.min(script.len() - 1)]));
        change(&mut response);
        response
    })
    .await
}

/// A poll that gives up before the test run does.
fn poll(server: &Recorder) -> Poll {
    server.client().runs("thread_abc123").poll("run_abc123").deadline(HOUR / 720)
}

/// The statuses that the stream gives, and the error at its end if there is one.
async fn updates(poll: Poll) -> (Vec<String>, Option<Error>) {
    let mut updates = poll.into_stream();
    let mut statuses = Vec::new();
    loop {
        match updates.try_next().await {
            Ok(Some(run)) => statuses.push(run.status.to_string()),
            ended => {
                assert!(updates.try_next().await.unwrap().is_none(), "there is more after the end");
                return (statuses, ended.err());
            }
        }
    }
}

#[tokio::test]
async fn the_stream_gives_each_status_once() {
    let server =
        server_of(&["queued", "queued", "in_progress", "in_progress", "queued", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["queued", "in_progress", "queued", "completed"]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn each_look_retrieves_the_run() {
    let server = server_of(&["queued", "completed"]).await;
    poll(&server).interval(TINY).await.unwrap();
    for request in server.seen() {
        let target = "/v1/threads/thread_abc123/runs/run_abc123";
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", target));
    }
}

macro_rules! stops_at {
    ($($test:ident: $status:literal;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let server = server_of(&["in_progress", $status]).await;
                let run = poll(&server).interval(TINY).await.unwrap();
                assert_eq!(run.status, $status);
                assert_eq!(server.seen().len(), 2);
            }
        )+
    };
}

stops_at! {
    stops_when_action_is_required: "requires_action";
    stops_when_completed: "completed";
    stops_when_failed: "failed";
    stops_when_incomplete: "incomplete";
    stops_when_cancelled: "cancelled";
    stops_when_expired: "expired";
}

#[tokio::test]
async fn goes_on_while_the_run_is_being_cancelled() {
    let server = server_of(&["cancelling", "cancelled"]).await;
    let (statuses, _) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["cancelling", "cancelled"]);
}

#[tokio::test]
async fn goes_on_through_a_status_that_nobody_knows() {
    let server = server_of(&["frozen", "frozen", "thawing", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["frozen", "thawing", "completed"]);
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn the_first_look_comes_before_any_pause() {
    let server = server_of(&["completed"]).await;
    let run = tokio::time::timeout(HOUR / 60, poll(&server).interval(HOUR)).await;
    assert_eq!(run.unwrap().unwrap().status, "completed");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_before_the_poll_is_awaited() {
    let server = server_of(&["completed"]).await;
    let stream = poll(&server).into_stream();
    tokio::time::sleep(TINY).await;
    assert_eq!(server.seen().len(), 0);
    drop(stream);
}

/// With the pauses that are the default this many looks take more than the deadline.
#[tokio::test]
async fn the_server_says_when_to_ask_again() {
    let script = &["queued", "queued", "queued", "queued", "queued", "queued", "completed"];
    let server = scripted(script, |response| {
        response.headers_mut().insert("openai-poll-after-ms", "1".parse().unwrap());
    })
    .await;
    let run = poll(&server).deadline(Duration::from_secs(1)).await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!(server.seen().len(), 7);
}

#[tokio::test]
async fn the_callers_interval_comes_before_the_servers() {
    let server = scripted(&["queued", "queued", "completed"], |response| {
        response.headers_mut().insert("openai-poll-after-ms", "3600000".parse().unwrap());
    })
    .await;
    let run = poll(&server).interval(TINY).deadline(HOUR / 60).await.unwrap();
    assert_eq!(run.status, "completed");
}

#[tokio::test]
async fn a_pause_that_is_no_number_is_ignored() {
    let server = scripted(&["queued", "completed"], |response| {
        response.headers_mut().insert("openai-poll-after-ms", "soon".parse().unwrap());
    })
    .await;
    assert_eq!(poll(&server).await.unwrap().status, "completed");
}

fn assert_deadline(result: Result<runstep::types::Run>, status: Option<&str>) -> Error {
    let error = result.unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.run().map(|run| run.status.as_str()), status);
    error
}

#[tokio::test]
async fn the_error_on_the_deadline_has_the_last_run() {
    let server = server_of(&["queued", "frozen"]).await;
    let result = poll(&server).interval(TINY).deadline(Duration::from_millis(50)).await;
    let error = assert_deadline(result, Some("frozen"));
    assert_eq!(
        error.to_string(),
        "the run neither ended nor asked for action before the deadline (run run_abc123 is frozen)"
    );
    assert!(server.seen().len() > 2);
}

#[tokio::test]
async fn a_pause_never_goes_past_the_deadline() {
    let server = server_of(&["in_progress"]).await;
    let result = poll(&server).interval(HOUR).deadline(Duration::from_millis(50)).await;
    assert_deadline(result, Some("in_progress"));
    assert_eq!(server.seen().len(), 1);
}

/// A reply whose body never comes.
fn hanging() -> Response {
    let never = futures_util::stream::pending::<std::result::Result<Vec<u8>, std::io::Error>>();
    reply(200, &[], Body::from_stream(never))
}

#[tokio::test]
async fn a_look_that_hangs_ends_at_the_deadline() {
    let server = Recorder::start(|_| hanging()).await;
    let result = poll(&server).deadline(Duration::from_millis(50)).await;
    assert_deadline(result, None);
}

#[tokio::test]
async fn a_later_look_that_hangs_leaves_the_last_run() {
    let server = Recorder::start(|number| match number {
        0 => json(&run("queued")),
        _ => hanging(),
    })
    .await;
    let result = poll(&server).interval(TINY).deadline(Duration::from_millis(100)).await;
    assert_deadline(result, Some("queued"));
}

#[tokio::test]
async fn an_error_reply_ends_the_stream_with_that_error() {
    let server = Recorder::start(|number| match number {
        0 => json(&run("queued")),
        _ => reply(500, &[("x-request-id", "req_9")], r#"{"error": {"message": "Oh no"}}"#),
    })
    .await;
    let (statuses, error) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["queued"]);
    let error = error.unwrap();
    assert_eq!((error.status(), error.message()), (Some(500), "Oh no"));
    assert_eq!(error.request_id(), Some("req_9"));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn the_longest_times_are_no_fault() {
    let server = server_of(&["queued", "completed"]).await;
    let run = poll(&server).deadline(Duration::MAX).interval(TINY).await.unwrap();
    assert_eq!(run.status, "completed");
    let server = server_of(&["queued"]).await;
    let late = poll(&server).deadline(Duration::from_millis(20)).interval(Duration::MAX).await;
    assert_deadline(late, Some("queued"));
}
