//! Test servers, fixtures and helpers that several test modules share.

pub(crate) mod argument_types;
mod cutting_proxy;
mod recording_server;
mod scripted_server;
mod test_server;
mod tool_run_server;

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use runstep::types::Run;
use runstep::{Client, Error, Result, RunRequest};
use serde_json::Value;

pub(crate) use cutting_proxy::CuttingProxy;
pub(crate) use recording_server::{RecordedRequest, RecordingServer};
pub(crate) use scripted_server::{Behavior, ScriptedServer, fast_retries};
pub(crate) use test_server::{TestServer, function_tool};
pub(crate) use tool_run_server::{
    RequestOverride, ToolCall, ToolRunServer, default_response, error_response, event_response,
    is_submission, tool_run, tool_run_with,
};

/// An API key that occurs nowhere else, so that a search for it finds every leak.
pub(crate) const API_KEY: &str = "sk-distinctive-key-7f3a";

/// The headers of an event stream.
pub(crate) const EVENT_STREAM: &[(&str, &str)] = &[("content-type", "text/event-stream")];

pub(crate) fn http_response(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

pub(crate) fn json_response(value: &Value) -> Response {
    http_response(200, &[("content-type", "application/json")], value.to_string())
}

/// A response body that never sends a byte and never ends.
pub(crate) fn hanging_body() -> Body {
    Body::from_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>())
}

/// A response whose headers arrive and whose body does not.
pub(crate) fn hanging_response() -> Response {
    http_response(200, &[], hanging_body())
}

/// One server-sent event.
pub(crate) fn sse_event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// The examples that the specification gives for a type.
pub(crate) fn examples(type_name: &str) -> Vec<Value> {
    let json = include_str!("../../../../runstep-api/tests/examples.json");
    let mut by_type: Value = serde_json::from_str(json).unwrap();
    let Value::Array(examples) = by_type[type_name].take() else {
        panic!("no examples of {type_name}")
    };
    examples
}

/// The first example of a type.
pub(crate) fn example(type_name: &str) -> Value {
    examples(type_name).swap_remove(0)
}

/// The example run with another status.
pub(crate) fn run_with_status(status: &str) -> Value {
    let mut run = example("Run");
    run["status"] = status.into();
    run
}

/// Retrieves the example run.
pub(crate) async fn retrieve_run(client: &Client) -> Result<Run> {
    client.runs("thread_abc123").retrieve("run_abc123").await
}

/// Retrieves the example run and returns the error.
pub(crate) async fn retrieve_error(server: &RecordingServer) -> Error {
    retrieve_run(&server.client()).await.unwrap_err()
}

/// Polls every millisecond, with a deadline that is shorter than a test runner's timeout.
pub(crate) fn poll_fast<R, M>(request: RunRequest<R, M>) -> RunRequest<R, M> {
    request.interval(Duration::from_millis(1)).deadline(Duration::from_secs(20))
}

/// Advances tokio's clock without running timers in between.
pub(crate) async fn advance_time(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}
