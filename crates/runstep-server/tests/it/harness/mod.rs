//! An in-process client of the server, without a socket.
//!
//! It checks every response: a request id, no server error, and JSON that matches the specification.

mod client;
mod events;
mod fixture;
mod self_cancelling;
pub(crate) mod socket;
pub(crate) mod spec;
pub(crate) mod upstream;

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Method;
use serde_json::{Map, Value, json};

pub(crate) use client::{JsonResponse, TestClient, invalid_request_error};
pub(crate) use events::{Event, EventStream, Frame, delta_text, event_names, final_run};
pub(crate) use fixture::Fixture;
pub(crate) use self_cancelling::self_cancelling_fixture;

/// Longer than any body in these tests, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// A function tool with one string parameter.
pub(crate) fn function_tool(name: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("missing id: {object}")).to_owned()
}

/// The text of a message, or an empty string.
pub(crate) fn message_text(message: &Value) -> String {
    message["content"][0]["text"]["value"].as_str().unwrap_or_default().to_owned()
}

/// The ids of the calls that a run requires outputs for.
pub(crate) fn call_ids(run: &Value) -> Vec<String> {
    let calls = run["required_action"]["submit_tool_outputs"]["tool_calls"].as_array();
    calls
        .unwrap_or_else(|| panic!("the run does not require action: {run}"))
        .iter()
        .map(id)
        .collect()
}

/// A submit-tool-outputs body with one output for each call of a run.
pub(crate) fn tool_outputs_body(run: &Value, outputs: &[&str]) -> Value {
    let ids = call_ids(run);
    assert_eq!(ids.len(), outputs.len());
    let pair = |(id, output): (&String, &&str)| json!({"tool_call_id": id, "output": output});
    json!({"tool_outputs": ids.iter().zip(outputs).map(pair).collect::<Vec<_>>()})
}

/// Adds the members of an object to another, where they replace those of the same name.
pub(crate) fn merged(base: Value, overrides: Value) -> Value {
    let (Value::Object(mut base), Value::Object(overrides)) = (base, overrides) else {
        panic!("only objects can be merged");
    };
    base.extend::<Map<String, Value>>(overrides);
    Value::Object(base)
}

/// Lets the server's tasks run until they wait for time or input.
pub(crate) async fn run_pending_tasks() {
    tokio::time::sleep(Duration::from_millis(1)).await;
    if crate::HAS_DATA_FILE {
        // The store works in threads of its own, and paused time does not wait for them.
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(4));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Fetches the Prometheus metrics.
pub(crate) async fn fetch_metrics(client: &TestClient) -> String {
    fetch_text(client, "/metrics").await
}

/// Fetches a response that is not JSON.
pub(crate) async fn fetch_text(client: &TestClient, path: &str) -> String {
    let response = client.send(Method::GET, path, Body::empty()).await;
    assert_eq!(response.status(), 200);
    let bytes = to_bytes(response.into_body(), MAX_BODY).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The names of the timestamps of a run or step that are set, without `created_at`.
pub(crate) fn timestamps_set(run: &Value) -> Vec<&str> {
    let all =
        ["expires_at", "started_at", "cancelled_at", "failed_at", "completed_at", "expired_at"];
    all.into_iter().filter(|name| run[name].is_i64()).collect()
}

/// A usage object.
pub(crate) fn usage(prompt: u64, completion: u64) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    })
}
