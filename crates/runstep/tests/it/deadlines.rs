//! Deadlines and cancellation mean the same for polls, streams and tool loops.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use runstep::tools::{SuspendedRun, Toolbox};
use runstep::types::Run;
use runstep::{CreateRun, Error, Result, RunRequest, StartRun, StreamEnd};
use serde_json::{Value, json};

use crate::harness::{
    Behavior, EVENT_STREAM, RecordedRequest, RecordingServer, ScriptedServer, error_response,
    hanging_response, http_response, json_response, run_with_status, sse_event,
};

const SHORT_DEADLINE: Duration = Duration::from_millis(100);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A way to wait for a run.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Poll,
    Stream,
    ToolPoll,
    ToolStream,
}

const WAITS: [Wait; 4] = [Wait::Poll, Wait::Stream, Wait::ToolPoll, Wait::ToolStream];

type WaitFuture = Pin<Box<dyn Future<Output = Result<Run>> + Send>>;

impl Wait {
    fn wait<R: StartRun>(self, request: RunRequest<R>) -> WaitFuture {
        let (request, tools) = (request.interval(MILLISECOND), Toolbox::new());
        match self {
            Self::Poll => request.and_poll(),
            Self::Stream => Box::pin(async move { request.stream().await?.final_run().await }),
            Self::ToolPoll => {
                Box::pin(async move { Ok(request.toolbox(&tools).and_poll().await?.into_run()) })
            }
            Self::ToolStream => {
                Box::pin(async move { request.toolbox(&tools).stream().await?.final_run().await })
            }
        }
    }
}

/// A list without items.
fn empty_list() -> Response {
    let list = json!({
        "object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false,
    });
    json_response(&list)
}

fn is_streaming(request: &RecordedRequest) -> bool {
    serde_json::from_slice(&request.body).is_ok_and(|body: Value| body["stream"] == true)
}

/// The response to a request that creates a run which remains active: a run, or events without an end.
fn active_run(request: &RecordedRequest) -> Response {
    let run = run_with_status("in_progress");
    if !is_streaming(request) {
        return json_response(&run);
    }
    let event = Bytes::from(sse_event("thread.run.in_progress", &run));
    let events = stream::iter([Ok::<_, io::Error>(event)]).chain(stream::pending());
    http_response(200, EVENT_STREAM, Body::from_stream(events))
}

/// A server whose run remains active until it is cancelled.
async fn server_with_active_run() -> RecordingServer {
    RecordingServer::start_with(|_, request| match request.path().ends_with("/cancel") {
        true => json_response(&run_with_status("cancelling")),
        false => active_run(request),
    })
    .await
}

fn create(server: &RecordingServer) -> CreateRun {
    server.client().runs("thread_abc123").create("asst_1")
}

fn cancels(server: &RecordingServer) -> usize {
    server.count_of("POST", "/cancel")
}

async fn assert_cancels(count: impl Fn() -> usize, expected: usize, wait: Wait) {
    let cancelled = async {
        while count() < expected {
            tokio::time::sleep(MILLISECOND).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), cancelled).await;
    assert!(in_time.is_ok(), "{wait:?}: the run was not cancelled");
    assert_eq!(count(), expected, "{wait:?}");
}

fn assert_deadline(result: Result<Run>, status: &str, wait: Wait) -> Error {
    let error = result.expect_err(&format!("{wait:?}"));
    assert!(error.is_deadline(), "{wait:?}: {error:?}");
    let run = error.run().unwrap_or_else(|| panic!("{wait:?}: {error:?}"));
    assert_eq!(run.status, status, "{wait:?}");
    error
}

#[tokio::test]
async fn every_wait_ends_at_its_deadline_with_the_run() {
    for wait in WAITS {
        let server = server_with_active_run().await;
        let result = wait.wait(create(&server).deadline(SHORT_DEADLINE)).await;
        let error = assert_deadline(result, "in_progress", wait);
        let message = "the run neither ended nor required action before the deadline";
        assert!(error.message().starts_with(message), "{wait:?}: {error}");
        assert_eq!(cancels(&server), 0, "{wait:?}");
    }
}

#[tokio::test]
async fn every_wait_cancels_the_run_at_its_deadline_if_configured() {
    for wait in WAITS {
        let server = server_with_active_run().await;
        let request = create(&server).deadline(SHORT_DEADLINE).cancel_on_deadline(true);
        let result = wait.wait(request.cancel_on_drop(true)).await;
        assert_deadline(result, "cancelling", wait);
        assert_eq!(cancels(&server), 1, "{wait:?}");
    }
}

/// The run completes between the last known state and the cancel request, which therefore fails.
#[tokio::test]
async fn every_wait_returns_a_run_that_had_ended_before_it_was_cancelled() {
    for wait in WAITS {
        let has_ended = Arc::new(AtomicBool::new(false));
        let server = RecordingServer::start_with(move |_, request| match request.path() {
            path if path.ends_with("/cancel") => {
                has_ended.store(true, Ordering::SeqCst);
                error_response(400, "Cannot cancel run with status 'completed'.")
            }
            path if path.ends_with("/steps") => empty_list(),
            _ if has_ended.load(Ordering::SeqCst) => json_response(&run_with_status("completed")),
            _ => active_run(request),
        })
        .await;
        let request = create(&server).deadline(SHORT_DEADLINE).cancel_on_deadline(true);
        let run = wait.wait(request).await;
        assert_eq!(run.unwrap_or_else(|error| panic!("{wait:?}: {error}")).status, "completed");
        assert_eq!(cancels(&server), 1, "{wait:?}");
    }
}

#[tokio::test]
async fn every_wait_cancels_the_run_on_drop_if_configured() {
    for wait in WAITS {
        for cancel in [true, false] {
            let server = server_with_active_run().await;
            let waiting = wait.wait(create(&server).cancel_on_drop(cancel));
            assert!(tokio::time::timeout(SHORT_DEADLINE, waiting).await.is_err(), "{wait:?}");
            assert_cancels(|| cancels(&server), usize::from(cancel), wait).await;
        }
    }
}

/// The response to the create request arrives later than anybody waits for it. It names the run.
#[tokio::test]
async fn every_wait_cancels_a_run_that_is_created_too_late() {
    for wait in WAITS {
        for at_deadline in [true, false] {
            let queued = run_with_status("queued");
            let response = match wait {
                Wait::Poll | Wait::ToolPoll => queued.to_string(),
                Wait::Stream | Wait::ToolStream => sse_event("thread.run.queued", &queued),
            };
            let server = ScriptedServer::start([
                Behavior::Delay(Duration::from_millis(300), response),
                Behavior::ok(run_with_status("cancelling")),
            ])
            .await;
            let request = server.client().runs("thread_abc123").create("asst_1");
            if at_deadline {
                let request = request.deadline(SHORT_DEADLINE).cancel_on_deadline(true);
                let error = wait.wait(request).await.unwrap_err();
                assert!(error.is_deadline() && error.run().is_none(), "{wait:?}: {error:?}");
                let message = "no response arrived before the deadline; a created run is cancelled";
                assert_eq!(error.to_string(), message, "{wait:?}");
            } else {
                let waiting = wait.wait(request.cancel_on_drop(true));
                assert!(tokio::time::timeout(SHORT_DEADLINE, waiting).await.is_err(), "{wait:?}");
            }
            let is_cancel = |request: &&RecordedRequest| request.target.ends_with("/cancel");
            assert_cancels(|| server.requests().iter().filter(is_cancel).count(), 1, wait).await;
        }
    }
}

/// The response to the outputs never arrives, but the run is known.
#[tokio::test]
async fn every_wait_cancels_a_run_that_does_not_respond_to_outputs() {
    for wait in [Wait::Poll, Wait::Stream, Wait::ToolStream] {
        for at_deadline in [true, false] {
            let cancelled = Behavior::ok(run_with_status("cancelling"));
            let server = ScriptedServer::start([Behavior::Hang, cancelled]).await;
            let runs = server.client().runs("thread_abc123");
            let request = runs.submit_tool_outputs("run_abc123").output("call_1", "18 degrees");
            if at_deadline {
                let request = request.deadline(SHORT_DEADLINE).cancel_on_deadline(true);
                let error = wait.wait(request).await.unwrap_err();
                assert!(error.is_deadline(), "{wait:?}: {error:?}");
                assert_eq!(error.run().unwrap().status, "cancelling", "{wait:?}");
                let message = "no response about the run thread_abc123/run_abc123 arrived";
                assert!(error.message().contains(message), "{wait:?}: {error}");
            } else {
                let waiting = wait.wait(request.cancel_on_drop(true));
                assert!(tokio::time::timeout(SHORT_DEADLINE, waiting).await.is_err(), "{wait:?}");
            }
            let is_cancel = |request: &&RecordedRequest| request.target.ends_with("/cancel");
            assert_cancels(|| server.requests().iter().filter(is_cancel).count(), 1, wait).await;
        }
    }
}

#[tokio::test]
async fn deadline_is_the_last_item_of_a_stream() {
    let server = server_with_active_run().await;
    let mut events = create(&server).deadline(SHORT_DEADLINE).stream().await.unwrap();
    assert!(events.try_next().await.unwrap().is_some());
    assert!(events.try_next().await.unwrap_err().is_deadline());
    assert_eq!(events.end(), Some(StreamEnd::DeadlineExceeded));
    assert!(events.try_next().await.unwrap().is_none());
    let mut events = create(&server).deadline(SHORT_DEADLINE).stream().await.unwrap();
    assert!(events.final_run().await.unwrap_err().is_deadline());
    drop(events);
    assert_eq!(cancels(&server), 0);
}

/// Time that passes between two segments does not count: the run may wait for a person.
#[tokio::test]
async fn deadline_of_a_stream_starts_again_with_submitted_outputs() {
    let server = crate::harness::tool_run([vec![("call_1", "now", "{}")]]).await;
    let hour = Duration::from_secs(3600);
    let mut events = server.runs.create("asst_1").deadline(hour).stream().await.unwrap();
    let run = events.final_run().await.unwrap();
    assert_eq!(run.status, "requires_action");
    crate::harness::advance_time(2 * hour).await;
    let output = runstep::types::ToolOutput::default().tool_call_id("call_1").output("12:00");
    events.submit_tool_outputs([output]).await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "completed");
}

/// A server that does not respond to requests that fetch the run.
async fn server_with_hanging_run() -> RecordingServer {
    RecordingServer::start_with(|_, request| match request.path().ends_with("/cancel") {
        true => json_response(&run_with_status("cancelling")),
        false => hanging_response(),
    })
    .await
}

/// A suspended run with one deferred call.
fn suspended() -> SuspendedRun {
    let call = json!({
        "thread_id": "thread_abc123", "run_id": "run_abc123", "id": "call_1",
        "name": "refund", "arguments": "{}",
    });
    let run_ref = json!({"thread_id": "thread_abc123", "run_id": "run_abc123"});
    let suspended = json!({"run_ref": run_ref, "calls": [call], "outputs": [], "rounds": 1});
    serde_json::from_value(suspended).unwrap()
}

/// A wait that fetches the run before it continues the run.
fn continued(server: &RecordingServer, case: &str, deadline: Duration, cancel: bool) -> WaitFuture {
    let (runs, tools) = (server.client().runs("thread_abc123"), Toolbox::new());
    let resume = runs.resume(suspended()).answer("call_1", "done").toolbox(&tools);
    let resume = resume.deadline(deadline).cancel_on_deadline(cancel).cancel_on_drop(cancel);
    let submit = runs.submit_tool_outputs("run_abc123").output("call_1", "done").toolbox(&tools);
    let submit = submit.deadline(deadline).cancel_on_deadline(cancel).cancel_on_drop(cancel);
    match case {
        "resume, polled" => Box::pin(async move { Ok(resume.and_poll().await?.into_run()) }),
        "resume, streamed" => Box::pin(async move { resume.stream().await?.final_run().await }),
        _ => Box::pin(async move { Ok(submit.and_poll().await?.into_run()) }),
    }
}

const CONTINUED: [&str; 3] = ["resume, polled", "resume, streamed", "submit, polled"];

#[tokio::test]
async fn run_is_cancelled_at_the_deadline_while_it_is_fetched_to_continue() {
    for case in CONTINUED {
        let server = server_with_hanging_run().await;
        let error = continued(&server, case, SHORT_DEADLINE, true).await.unwrap_err();
        assert!(error.is_deadline(), "{case}: {error:?}");
        assert_eq!(error.run().map(|run| run.status.as_str()), Some("cancelling"), "{case}");
        assert_eq!(cancels(&server), 1, "{case}");
        let server = server_with_hanging_run().await;
        let error = continued(&server, case, SHORT_DEADLINE, false).await.unwrap_err();
        assert!(error.is_deadline() && error.run().is_none(), "{case}: {error:?}");
        assert_eq!((server.count(), cancels(&server)), (1, 0), "{case}");
    }
}

#[tokio::test]
async fn run_is_cancelled_on_drop_while_it_is_fetched_to_continue() {
    for case in CONTINUED {
        let server = server_with_hanging_run().await;
        let wait = continued(&server, case, Duration::from_secs(600), true);
        assert!(tokio::time::timeout(SHORT_DEADLINE, wait).await.is_err(), "{case}");
        assert_cancels(|| cancels(&server), 1, Wait::ToolPoll).await;
    }
}
