//! Submissions to a run that changed meanwhile, and submissions that are lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::Response;
use runstep::Result;
use runstep::tools::{ToolRun, Toolbox};
use serde_json::{Value, json};

use crate::harness::{
    Behavior, RecordedRequest, RequestOverride, ScriptedServer, ToolCall, ToolRunServer,
    default_response, error_response, example, fast_retries, is_submission, json_response,
    poll_fast, tool_run, tool_run_with,
};

const FIRST_CALL: ToolCall = ("call_1", "now", "{}");
const SECOND_CALL: ToolCall = ("call_2", "now", "{}");

/// Executes a run of two rounds, with other responses to some requests.
async fn execute(request_override: RequestOverride) -> (ToolRunServer, Result<ToolRun>) {
    let server = tool_run_with([vec![FIRST_CALL], vec![SECOND_CALL]], request_override).await;
    let client = server.http.builder().retry_policy(fast_retries()).build().unwrap();
    let tools = Toolbox::new().function("now", || async { "12:00" });
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&tools);
    let result = poll_fast(request).and_poll().await;
    (server, result)
}

#[tokio::test]
async fn run_cancelled_meanwhile_is_returned_cancelled() {
    let (server, result) = execute(|request, state| {
        is_submission(request).then(|| {
            state.status = Some("cancelled");
            error_response(400, "Runs in status \"cancelled\" do not accept tool outputs.")
        })
    })
    .await;
    assert_eq!(result.unwrap().status, "cancelled");
    assert_eq!((server.submissions(), server.cancels()), (1, 0));
}

#[tokio::test]
async fn cancelling_run_is_polled_until_cancelled() {
    let (server, result) = execute(|request, state| {
        if is_submission(request) {
            state.status = Some("cancelling");
            let message = "Runs in status \"cancelling\" do not accept tool outputs.";
            return Some(error_response(400, message));
        }
        let is_poll = request.method == "GET" && state.status == Some("cancelling");
        let response = is_poll.then(|| default_response(request, state));
        if is_poll {
            state.status = Some("cancelled");
        }
        response
    })
    .await;
    assert_eq!(result.unwrap().status, "cancelled");
    assert_eq!(server.submissions(), 1);
}

#[tokio::test]
async fn calls_submitted_elsewhere_are_not_submitted_again() {
    let (server, result) = execute(|request, state| {
        (is_submission(request) && state.submitted_rounds == 0).then(|| {
            state.submitted_rounds = 1;
            error_response(400, "Expected tool outputs for call_ids ['call_2'], got ['call_1']")
        })
    })
    .await;
    assert_eq!(result.unwrap().status, "completed");
    insta::assert_snapshot!(server.submitted_bodies());
}

#[tokio::test]
async fn calls_in_stale_run_are_not_executed_again() {
    static STALE: AtomicUsize = AtomicUsize::new(0);
    let (server, result) = execute(|request, state| {
        // The first three polls after the first round return the run as it was before.
        let is_poll = request.method == "GET" && !request.target.contains("/steps");
        let stale = is_poll && state.submitted_rounds == 1;
        let stale = stale && STALE.fetch_add(1, Ordering::SeqCst) < 3;
        stale.then(|| {
            let mut before = state.clone();
            before.submitted_rounds = 0;
            json_response(&before.run())
        })
    })
    .await;
    assert_eq!(result.unwrap().status, "completed");
    assert_eq!(server.submissions(), 2);
    assert!(server.submitted_bodies().contains("call_2"), "{}", server.submitted_bodies());
}

/// Executes a run that requests the same call id in three rounds. Returns the number of calls.
async fn execute_repeated_call(
    request_override: RequestOverride,
) -> (ToolRunServer, usize, Result<ToolRun>) {
    let server =
        tool_run_with([vec![FIRST_CALL], vec![FIRST_CALL], vec![FIRST_CALL]], request_override)
            .await;
    let count = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&count);
    let tools = Toolbox::new().function("now", move || {
        calls.fetch_add(1, Ordering::SeqCst);
        async { "12:00" }
    });
    let result =
        poll_fast(server.create_run(&tools)).deadline(Duration::from_secs(1)).and_poll().await;
    (server, count.load(Ordering::SeqCst), result)
}

/// A step with the call.
fn step(number: usize, is_completed: bool) -> Value {
    let mut step = example("RunStep");
    let function = json!({"name": "now", "arguments": "{}", "output": null});
    let call = json!({"id": "call_1", "type": "function", "function": function});
    step["id"] = format!("step_{number}").into();
    step["type"] = "tool_calls".into();
    step["status"] = if is_completed { "completed" } else { "in_progress" }.into();
    step["step_details"] = json!({"type": "tool_calls", "tool_calls": [call]});
    step
}

/// The response to a request of the steps after this many submissions; `None` for other requests.
fn steps_after(request: &RecordedRequest, submissions: usize) -> Option<Response> {
    steps_response(
        (0..=submissions.min(2)).rev().map(|number| step(number, number < submissions)).collect(),
        request,
    )
}

/// The response to a request of the steps; `None` for other requests.
fn steps_response(steps: Vec<Value>, request: &RecordedRequest) -> Option<Response> {
    request.target.contains("/steps").then(|| {
        json_response(&json!({
            "object": "list", "data": steps,
            "first_id": "step_9", "last_id": "step_0", "has_more": false,
        }))
    })
}

#[tokio::test]
async fn repeated_call_id_is_executed_again_if_steps_confirm_new_call() {
    let (server, calls, result) =
        execute_repeated_call(|request, state| steps_after(request, state.submitted_rounds)).await;
    assert_eq!(result.unwrap().status, "completed");
    assert_eq!((calls, server.submissions()), (3, 3));
}

#[tokio::test]
async fn stale_run_with_repeated_call_id_is_recognized() {
    static STALE: AtomicUsize = AtomicUsize::new(0);
    let (server, calls, result) = execute_repeated_call(|request, state| {
        if request.target.contains("/steps") {
            // Every second list of steps is stale as well.
            let stale = STALE.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
            return steps_after(request, state.submitted_rounds - usize::from(stale));
        }
        let stale = request.method == "GET" && state.submitted_rounds > 0;
        let stale = stale && STALE.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        stale.then(|| {
            let mut before = state.clone();
            before.submitted_rounds -= 1;
            json_response(&before.run())
        })
    })
    .await;
    assert_eq!(result.unwrap().status, "completed");
    assert_eq!((calls, server.submissions()), (3, 3));
}

#[tokio::test]
async fn calls_with_completed_steps_are_not_executed_again() {
    static STALE: AtomicUsize = AtomicUsize::new(0);
    let (server, result) = execute(|request, state| {
        if request.target.contains("/steps") {
            return steps_response(vec![step(0, true)], request);
        }
        let stale = request.method == "GET" && state.submitted_rounds == 1;
        let stale = stale && STALE.fetch_add(1, Ordering::SeqCst) < 3;
        stale.then(|| {
            let mut before = state.clone();
            before.submitted_rounds = 0;
            json_response(&before.run())
        })
    })
    .await;
    assert_eq!(result.unwrap().status, "completed");
    assert_eq!(server.submissions(), 2);
    assert!(server.submitted_bodies().contains("call_2"), "{}", server.submitted_bodies());
}

#[tokio::test]
async fn repeated_call_id_is_not_executed_without_steps() {
    for request_override in [
        (|request, _| request.target.contains("/steps").then(|| error_response(404, "Not found.")))
            as RequestOverride,
        |request, _| steps_after(request, 0),
    ] {
        let (server, calls, result) = execute_repeated_call(request_override).await;
        assert!(result.unwrap_err().is_deadline());
        assert_eq!((calls, server.submissions()), (1, 1));
    }
}

/// Other clients may have submitted outputs for earlier calls.
#[tokio::test]
async fn steps_of_run_created_elsewhere_confirm_nothing() {
    let server = tool_run_with([vec![FIRST_CALL], vec![FIRST_CALL]], |request, state| {
        steps_after(request, state.submitted_rounds)
    })
    .await;
    let tools = Toolbox::new().function("now", || async { "12:00" });
    let poll = server.runs.poll("run_abc123").interval(Duration::from_millis(1));
    let result = poll.deadline(Duration::from_millis(300)).toolbox(&tools).await;
    assert!(result.unwrap_err().is_deadline());
    assert_eq!(server.submissions(), 1);
}

#[tokio::test]
async fn rejected_outputs_of_waiting_run_are_an_error() {
    let (server, result) = execute(|request, _| {
        is_submission(request).then(|| error_response(400, "The output is too long."))
    })
    .await;
    let error = result.unwrap_err();
    assert_eq!((error.status(), error.message()), (Some(400), "The output is too long."));
    assert_eq!(error.run().unwrap().status, "requires_action");
    assert_eq!((server.submissions(), server.cancels()), (1, 0));
}

#[tokio::test]
async fn delivered_outputs_are_not_submitted_again_after_lost_response() {
    let (server, result) = execute(|request, state| {
        is_submission(request).then(|| {
            default_response(request, state);
            error_response(502, "Bad gateway")
        })
    })
    .await;
    assert_eq!(result.unwrap().status, "completed");
    assert_eq!(server.submissions(), 2, "one submission for each round");
}

#[tokio::test]
async fn undelivered_outputs_are_submitted_again() {
    static LOST: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let (server, result) = execute(|request, _| {
        let lost = is_submission(request) && !LOST.swap(true, std::sync::atomic::Ordering::SeqCst);
        lost.then(|| error_response(502, "Bad gateway"))
    })
    .await;
    assert_eq!(result.unwrap().status, "completed");
    assert_eq!(server.submissions(), 3);
}

#[tokio::test]
async fn undelivered_outputs_are_an_error_after_maximum_attempts() {
    let (server, result) =
        execute(|request, _| is_submission(request).then(|| error_response(502, "Bad gateway")))
            .await;
    let error = result.unwrap_err();
    assert_eq!(error.status(), Some(502));
    assert_eq!(error.run().unwrap().status, "requires_action");
    assert_eq!(server.submissions(), 3);
}

#[tokio::test]
async fn rate_limited_submission_follows_retry_policy() {
    let (server, result) = execute(|request, _| {
        is_submission(request).then(|| error_response(429, "Rate limit reached."))
    })
    .await;
    assert!(result.unwrap_err().is_rate_limited());
    assert_eq!(server.submissions(), 3);
}

#[tokio::test]
async fn deadline_ends_hanging_submission() {
    let waiting = tool_run([vec![FIRST_CALL]]).await.state.lock().unwrap().run();
    let tools = Toolbox::new().function("now", || async { "12:00" });
    let short_deadline = Duration::from_millis(300);

    let server = ScriptedServer::start([Behavior::ok(&waiting), Behavior::Hang]).await;
    let request = server.client().runs("thread_abc123").create("asst_abc123").toolbox(&tools);
    let error = request.deadline(short_deadline).and_poll().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert_eq!(error.run().unwrap().status, "requires_action");

    let events = format!("event: thread.run.requires_action\ndata: {waiting}\n\n");
    let events = Behavior::ok(events + "event: done\ndata: [DONE]\n\n");
    let events = events.with_header("content-type", "text/event-stream");
    let server = ScriptedServer::start([events, Behavior::Hang]).await;
    let request = server.client().runs("thread_abc123").create("asst_abc123").toolbox(&tools);
    let mut events = request.deadline(short_deadline).stream().await.unwrap();
    let error = events.final_run().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert_eq!(error.run().unwrap().status, "requires_action");
    assert!(is_submission(server.requests().last().unwrap()));
}

#[tokio::test]
async fn authentication_failure_of_submission_is_returned_without_poll() {
    let (server, result) = execute(|request, _| {
        is_submission(request).then(|| error_response(401, "Incorrect API key provided."))
    })
    .await;
    let error = result.unwrap_err();
    assert!(error.is_authentication());
    assert_eq!(error.run().unwrap().id, "run_abc123");
    let last = server.http.requests().pop().unwrap();
    assert!(is_submission(&last), "{}", last.target);
}

#[tokio::test]
async fn request_options_apply_to_submissions_and_cancel() {
    static SUBMISSIONS: AtomicUsize = AtomicUsize::new(0);
    for streams in [false, true] {
        let server = tool_run_with([vec![FIRST_CALL], vec![SECOND_CALL]], |request, _| {
            // The first submission of each round is lost, so that the run is polled.
            let is_lost = is_submission(request)
                && SUBMISSIONS.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
            is_lost.then(|| error_response(503, "Try again."))
        })
        .await;
        let client = server.http.builder().retry_policy(fast_retries()).build().unwrap();
        let tools = Toolbox::new().function("now", || async { "12:00" });
        let create = client.runs("thread_abc123").create("asst_abc123");
        let create = create.header("X-Tenant", "harbour").query("shard", "7");
        let request = create.toolbox(&tools).max_rounds(1);
        if streams {
            request.stream().await.unwrap().final_run().await.unwrap_err();
        } else {
            poll_fast(request).and_poll().await.unwrap_err();
        }
        assert_eq!((server.submissions(), server.cancels()), (2, 1));
        for request in server.http.requests() {
            let has_header = request.header("x-tenant") == Some("harbour");
            assert!(has_header && request.target.contains("shard=7"), "{request:?}");
        }
    }
}
