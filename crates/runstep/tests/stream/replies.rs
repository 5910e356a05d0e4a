//! The replies of a server that tells the run of one answer.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::support::{self, Recorded, example, reply};

pub(crate) const EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream")];

pub(crate) fn run(status: &str) -> Value {
    let mut run = example("Run");
    run["id"] = "run_1".into();
    run["thread_id"] = "thread_1".into();
    run["assistant_id"] = "asst_1".into();
    run["status"] = status.into();
    // No older than any reply.
    run["created_at"] = 4_102_444_800_i64.into();
    run
}

pub(crate) fn step(status: &str) -> Value {
    let mut step = example("RunStep");
    step["id"] = "step_1".into();
    step["status"] = status.into();
    step["type"] = "message_creation".into();
    step["step_details"] =
        json!({"type": "message_creation", "message_creation": {"message_id": "msg_1"}});
    step
}

pub(crate) fn message(status: &str, text: &str) -> Value {
    let mut message = example("Message");
    message["id"] = "msg_1".into();
    message["status"] = status.into();
    message["content"] = json!([{"type": "text", "text": {"value": text, "annotations": []}}]);
    if text.is_empty() {
        message["content"] = json!([]);
    }
    message
}

pub(crate) fn delta(text: &str) -> Value {
    json!({"id": "msg_1", "delta": {"content": [{"index": 0, "type": "text", "text": {"value": text}}]}})
}

pub(crate) fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// The first half of an answer, with ids if told so.
pub(crate) fn first_half(ids: bool) -> String {
    let events = [
        event("thread.run.created", &run("queued")),
        event("thread.run.queued", &run("queued")),
        event("thread.run.in_progress", &run("in_progress")),
        event("thread.run.step.created", &step("in_progress")),
        event("thread.run.step.in_progress", &step("in_progress")),
        event("thread.message.created", &message("in_progress", "")),
        event("thread.message.in_progress", &message("in_progress", "")),
        event("thread.message.delta", &delta("It ")),
    ];
    let number = |(number, event): (usize, String)| format!("id: {number}\n{event}");
    if ids { events.into_iter().enumerate().map(number).collect() } else { events.concat() }
}

pub(crate) fn second_half() -> String {
    [
        event("thread.message.delta", &delta("is sunny.")),
        event("thread.message.completed", &message("completed", "It is sunny.")),
        event("thread.run.step.completed", &step("completed")),
        event("thread.run.completed", &run("completed")),
        "event: done\ndata: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

/// Events, and then the connection breaks.
pub(crate) fn broken(events: String) -> Response {
    let broken = stream::once(async {
        // What came before must be read before the reset throws it away.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("broken"))
    });
    let body = stream::iter([Ok::<_, io::Error>(Bytes::from(events))]).chain(broken);
    reply(200, EVENTS, Body::from_stream(body))
}

/// What the server has of the run when it has ended.
pub(crate) fn found(request: &Recorded) -> Response {
    let path = request.target.split('?').next().unwrap();
    let list = |data: Value| json!({"object": "list", "data": data, "has_more": false});
    support::json(&match path {
        "/v1/threads/thread_1/runs" => list(json!([run("completed")])),
        "/v1/threads/thread_1/runs/run_1" => run("completed"),
        "/v1/threads/thread_1/runs/run_1/steps" => list(json!([step("completed")])),
        "/v1/threads/thread_1/messages/msg_1" => message("completed", "It is sunny."),
        other => panic!("{other}"),
    })
}
