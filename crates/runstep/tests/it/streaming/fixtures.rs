//! Events and responses of a run that generates one message.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::harness::{
    EVENT_STREAM, RecordedRequest, example, http_response, json_response, sse_event,
};

pub(crate) fn run(status: &str) -> Value {
    let mut run = example("Run");
    run["id"] = "run_1".into();
    run["thread_id"] = "thread_1".into();
    run["assistant_id"] = "asst_1".into();
    run["status"] = status.into();
    // Later than the `date` header of any response.
    run["created_at"] = 4_102_444_800_i64.into();
    run
}

pub(crate) fn step_with_details(id: &str, status: &str, details: Value) -> Value {
    let mut step = example("RunStep");
    step["id"] = id.into();
    step["status"] = status.into();
    step["type"] = details["type"].clone();
    step["step_details"] = details;
    step
}

pub(crate) fn message_creation() -> Value {
    json!({"type": "message_creation", "message_creation": {"message_id": "msg_1"}})
}

pub(crate) fn step(status: &str) -> Value {
    step_with_details("step_1", status, message_creation())
}

pub(crate) fn message_with_content(status: &str, content: Value) -> Value {
    let mut message = example("Message");
    message["id"] = "msg_1".into();
    message["status"] = status.into();
    message["content"] = content;
    message
}

/// A message with this text, or without content if the text is empty.
pub(crate) fn message(status: &str, text: &str) -> Value {
    let part = json!({"type": "text", "text": {"value": text, "annotations": []}});
    message_with_content(status, if text.is_empty() { json!([]) } else { json!([part]) })
}

pub(crate) fn delta(text: &str) -> Value {
    json!({"id": "msg_1", "delta": {"content": [{"index": 0, "type": "text", "text": {"value": text}}]}})
}

/// The first half of the stream, with or without event ids.
pub(crate) fn first_half(with_ids: bool) -> String {
    let events = [
        sse_event("thread.run.created", &run("queued")),
        sse_event("thread.run.queued", &run("queued")),
        sse_event("thread.run.in_progress", &run("in_progress")),
        sse_event("thread.run.step.created", &step("in_progress")),
        sse_event("thread.run.step.in_progress", &step("in_progress")),
        sse_event("thread.message.created", &message("in_progress", "")),
        sse_event("thread.message.in_progress", &message("in_progress", "")),
        sse_event("thread.message.delta", &delta("It ")),
    ];
    let numbered = |(number, event): (usize, String)| format!("id: {number}\n{event}");
    if with_ids { events.into_iter().enumerate().map(numbered).collect() } else { events.concat() }
}

pub(crate) fn second_half() -> String {
    [
        sse_event("thread.message.delta", &delta("is sunny.")),
        sse_event("thread.message.completed", &message("completed", "It is sunny.")),
        sse_event("thread.run.step.completed", &step("completed")),
        sse_event("thread.run.completed", &run("completed")),
        "event: done\ndata: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

/// An event stream whose connection breaks after these events.
pub(crate) fn broken_stream(events: String) -> Response {
    let failure = stream::once(async {
        // Gives the client time to read the events: a reset discards unread bytes.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("connection broken"))
    });
    let body = stream::iter([Ok::<_, io::Error>(Bytes::from(events))]).chain(failure);
    http_response(200, EVENT_STREAM, Body::from_stream(body))
}

/// The response of a server that has the completed run.
pub(crate) fn respond_with_completed_run(request: &RecordedRequest) -> Response {
    let list = |data: Value| json!({"object": "list", "data": data, "has_more": false});
    json_response(&match request.path() {
        "/v1/threads/thread_1/runs" => list(json!([run("completed")])),
        "/v1/threads/thread_1/runs/run_1" => run("completed"),
        "/v1/threads/thread_1/runs/run_1/steps" => list(json!([step("completed")])),
        "/v1/threads/thread_1/messages/msg_1" => message("completed", "It is sunny."),
        other => panic!("{other}"),
    })
}
