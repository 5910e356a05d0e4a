//! What a stream asks of the server besides the request that opens it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "stream/replies.rs"]
mod replies;
mod support;

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt as _, stream};
use replies::{EVENTS, broken, first_half, found, run};
use runstep::{RetryPolicy, RunStreamEnd};
use serde_json::json;
use support::{Recorded, Recorder, reply};

/// Whether a request has what the one that opens the stream was given for all.
fn goes_along(request: &Recorded) -> bool {
    request.header("x-tenant") == Some("harbour") && request.target.contains("shard=7")
}

/// The first answer puts the request off, and the run that it then makes is dated by that.
#[tokio::test]
async fn the_time_that_a_reply_took_to_come_tells_which_run_it_made() {
    let date = "Tue, 14 Nov 2023 22:13:20 GMT";
    let recorder = Recorder::answering(move |number, request| match number {
        0 => reply(429, &[("retry-after-ms", "2000")], "{}"),
        1 => reply(200, &[EVENTS, &[("date", date)]].concat(), "event: thread.run.cre"),
        _ if request.target.contains("/runs?") => {
            let mut made = run("completed");
            made["created_at"] = 1_699_999_997.into();
            made["completed_at"] = 1_699_999_997.into();
            support::json(&json!({"object": "list", "data": [made], "has_more": false}))
        }
        _ => found(request),
    })
    .await;
    let client = recorder.builder().retry_policy(RetryPolicy::default()).build().unwrap();
    let create = client.runs("thread_1").create("asst_1");
    let mut stream = create.stream().await.unwrap();
    assert_eq!(stream.final_run().await.unwrap().id, "run_1");
}

#[tokio::test]
async fn what_goes_along_with_the_request_goes_with_all_that_the_stream_asks() {
    let waiting = || {
        let mut run = run("requires_action");
        let call = json!({"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": "{}"}});
        let calls = json!({"tool_calls": [call]});
        run["required_action"] =
            json!({"type": "submit_tool_outputs", "submit_tool_outputs": calls});
        run
    };
    let recorder = Recorder::answering(move |number, request| match number {
        0 => broken(String::new()),
        _ if request.target.contains("/submit_tool_outputs") => broken(first_half(true)),
        _ if request.header("last-event-id").is_some() => reply(410, &[], "gone"),
        _ if request.target.contains("/runs?") => {
            let list = json!({"object": "list", "data": [waiting()], "has_more": false});
            support::json(&list)
        }
        _ => found(request),
    })
    .await;
    let create = recorder.client().runs("thread_1").create("asst_1");
    let create = create.header("X-Tenant", "harbour").query("shard", "7");
    let create = create.header("Idempotency-Key", "order-7").extra("color", "red");
    let mut events = create.stream().await.unwrap();
    events.final_run().await.unwrap();
    assert_eq!(events.end(), Some(RunStreamEnd::RequiresAction));
    let output = runstep::types::ToolOutput::default().tool_call_id("call_1").output("12:00");
    events.submit_tool_outputs([output]).await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "completed");

    let seen = recorder.seen();
    let asked = |what: &str| {
        let one =
            seen[1..].iter().find(|one| one.target.split('?').next().unwrap().ends_with(what));
        one.unwrap_or_else(|| panic!("{what} was not asked for"))
    };
    for what in ["/runs", "/steps", "/messages/msg_1", "/submit_tool_outputs", "/runs/run_1"] {
        asked(what);
    }
    assert!(seen.iter().any(|one| one.header("last-event-id").is_some()));
    assert!(seen.iter().all(goes_along), "{seen:?}");
    // What is the one request's own is not passed on.
    assert_eq!(seen[0].header("idempotency-key"), Some("order-7"));
    assert!(seen[1..].iter().all(|one| one.header("idempotency-key") != Some("order-7")));
    let bodies: Vec<_> = seen.iter().filter(|one| one.method == "POST").collect();
    assert_eq!(bodies.len(), 2);
    assert!(!String::from_utf8_lossy(&bodies[1].body).contains("color"));
}

#[tokio::test]
async fn what_goes_along_with_the_request_goes_with_the_one_that_cancels() {
    let recorder = Recorder::answering(|number, _| match number {
        0 => {
            let events = stream::iter([Ok::<_, io::Error>(Bytes::from(first_half(false)))]);
            reply(200, EVENTS, Body::from_stream(events.chain(stream::pending())))
        }
        _ => support::json(&run("cancelling")),
    })
    .await;
    let create = recorder.client().runs("thread_1").create("asst_1");
    let create = create.header("X-Tenant", "harbour").query("shard", "7");
    let mut events = create.stream().cancel_on_drop(true).await.unwrap();
    events.try_next().await.unwrap();
    drop(events);
    let cancelled = async {
        while recorder.count() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), cancelled).await.unwrap();
    let cancel = &recorder.seen()[1];
    assert!(cancel.target.contains("/runs/run_1/cancel"), "{}", cancel.target);
    assert!(goes_along(cancel));
}
