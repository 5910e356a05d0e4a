//! Requests that a stream sends after the one that opens it.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt as _, stream};
use runstep::{RetryPolicy, StreamEnd};
use serde_json::json;

use super::fixtures::{broken_stream, first_half, respond_with_completed_run, run};
use crate::harness::{
    EVENT_STREAM, RecordedRequest, RecordingServer, http_response, json_response,
};

/// Whether a request has the header and the query that the opening request was built with.
fn has_shared_options(request: &RecordedRequest) -> bool {
    request.header("x-tenant") == Some("harbour") && request.target.contains("shard=7")
}

/// The first response delays the request, so the run is created later than the first attempt.
#[tokio::test]
async fn run_search_window_includes_retry_delays() {
    let date = "Tue, 14 Nov 2023 22:13:20 GMT";
    let server = RecordingServer::start_with(move |number, request| match number {
        0 => http_response(429, &[("retry-after-ms", "2000")], "{}"),
        1 => {
            http_response(200, &[EVENT_STREAM, &[("date", date)]].concat(), "event: thread.run.cre")
        }
        _ if request.target.contains("/runs?") => {
            let mut created = run("completed");
            created["created_at"] = 1_699_999_997.into();
            created["completed_at"] = 1_699_999_997.into();
            json_response(&json!({"object": "list", "data": [created], "has_more": false}))
        }
        _ => respond_with_completed_run(request),
    })
    .await;
    let client = server.builder().retry_policy(RetryPolicy::default()).build().unwrap();
    let create = client.runs("thread_1").create("asst_1");
    let mut stream = create.stream().await.unwrap();
    assert_eq!(stream.final_run().await.unwrap().id, "run_1");
}

#[tokio::test]
async fn request_options_apply_to_all_requests_of_stream() {
    let requires_action = || {
        let mut run = run("requires_action");
        let call = json!({"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": "{}"}});
        let calls = json!({"tool_calls": [call]});
        run["required_action"] =
            json!({"type": "submit_tool_outputs", "submit_tool_outputs": calls});
        run
    };
    let server = RecordingServer::start_with(move |number, request| match number {
        0 => broken_stream(String::new()),
        _ if request.target.contains("/submit_tool_outputs") => broken_stream(first_half(true)),
        _ if request.header("last-event-id").is_some() => http_response(410, &[], "gone"),
        _ if request.target.contains("/runs?") => {
            let list = json!({"object": "list", "data": [requires_action()], "has_more": false});
            json_response(&list)
        }
        _ => respond_with_completed_run(request),
    })
    .await;
    let create = server.client().runs("thread_1").create("asst_1");
    let create = create.header("X-Tenant", "harbour").query("shard", "7");
    let create = create.header("Idempotency-Key", "order-7").extra("color", "red");
    let mut events = create.stream().await.unwrap();
    events.final_run().await.unwrap();
    assert_eq!(events.end(), Some(StreamEnd::RequiresAction));
    let output = runstep::types::ToolOutput::default().tool_call_id("call_1").output("12:00");
    events.submit_tool_outputs([output]).await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "completed");

    let requests = server.requests();
    for path in ["/runs", "/steps", "/messages/msg_1", "/submit_tool_outputs", "/runs/run_1"] {
        let is_requested = requests[1..].iter().any(|request| request.path().ends_with(path));
        assert!(is_requested, "no request of {path}");
    }
    assert!(requests.iter().any(|request| request.header("last-event-id").is_some()));
    assert!(requests.iter().all(has_shared_options), "{requests:?}");
    // The idempotency key and the extra body field apply to the first request only.
    assert_eq!(requests[0].header("idempotency-key"), Some("order-7"));
    assert!(
        requests[1..].iter().all(|request| request.header("idempotency-key") != Some("order-7"))
    );
    let bodies: Vec<_> = requests.iter().filter(|request| request.method == "POST").collect();
    assert_eq!(bodies.len(), 2);
    assert!(!String::from_utf8_lossy(&bodies[1].body).contains("color"));
}

#[tokio::test]
async fn request_options_apply_to_cancel_request() {
    let server = RecordingServer::start_with(|number, _| match number {
        0 => {
            let events = stream::iter([Ok::<_, io::Error>(Bytes::from(first_half(false)))]);
            http_response(200, EVENT_STREAM, Body::from_stream(events.chain(stream::pending())))
        }
        _ => json_response(&run("cancelling")),
    })
    .await;
    let create = server.client().runs("thread_1").create("asst_1");
    let create = create.header("X-Tenant", "harbour").query("shard", "7");
    let mut events = create.cancel_on_drop(true).stream().await.unwrap();
    events.try_next().await.unwrap();
    drop(events);
    let cancelled = async {
        while server.count() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), cancelled).await.unwrap();
    let cancel = &server.requests()[1];
    assert!(cancel.target.contains("/runs/run_1/cancel"), "{}", cancel.target);
    assert!(has_shared_options(cancel));
}
