//! An in-process client of the server, without a socket.
//!
//! It checks every response: a request id, no server error, and JSON that matches the specification.

pub(crate) mod events;
pub(crate) mod spec;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use runstep_server::model::{Model, Scripted, Turn};
use runstep_server::{Server, ServerBuilder};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

pub(crate) use events::{Event, EventStream, Frame, delta_text, event_names, final_run};

/// Longer than any body in these tests, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// A client of a server under test.
#[derive(Clone)]
pub(crate) struct TestClient {
    app: Router,
    /// Headers of every request.
    headers: HeaderMap,
    validated: Arc<Mutex<BTreeSet<(&'static str, u16)>>>,
}

/// A response with a JSON body.
#[derive(Debug)]
pub(crate) struct JsonResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl JsonResponse {
    /// Returns the body of a successful response.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// Returns the error of a response with this status.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["error"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl TestClient {
    pub(crate) fn with_model(model: impl Model) -> Self {
        Self::from_builder(Server::builder().model(model))
    }

    /// A client of a server whose model plays these turns.
    pub(crate) fn with_turns(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::with_model(Scripted::new(turns))
    }

    pub(crate) fn from_builder(builder: ServerBuilder) -> Self {
        Self::from_router(builder.app().unwrap())
    }

    /// A client of a router, which may nest the server.
    pub(crate) fn from_router(app: Router) -> Self {
        Self { app, headers: HeaderMap::new(), validated: Arc::default() }
    }

    /// Returns a client of the same server that sends one more header.
    pub(crate) fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.insert(name, value.parse().unwrap());
        client
    }

    /// The operations, with statuses, of the JSON responses that this client has validated.
    pub(crate) fn validated(&self) -> BTreeSet<(&'static str, u16)> {
        self.validated.lock().unwrap().clone()
    }

    pub(crate) async fn get(&self, path: &str) -> JsonResponse {
        self.request(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> JsonResponse {
        self.post_raw(path, body.to_string()).await
    }

    pub(crate) async fn post_raw(&self, path: &str, body: impl Into<Body>) -> JsonResponse {
        self.request(Method::POST, path, body.into()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> JsonResponse {
        self.request(Method::DELETE, path, Body::empty()).await
    }

    pub(crate) async fn request(&self, method: Method, path: &str, body: Body) -> JsonResponse {
        let request = format!("{method} {path}");
        let (parts, body) = self.send(method.clone(), path, body).await.into_parts();
        let bytes = to_bytes(body, MAX_BODY).await.unwrap();
        let body: Value = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| panic!("{request}: {}", String::from_utf8_lossy(&bytes)));
        assert!(!parts.status.is_server_error(), "{request}: {body}");
        let media_type = parts.headers.get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!(media_type, Some("application/json"), "{request}");
        if let Some(operation) = spec::check_response(&method, path, parts.status, &body) {
            self.validated.lock().unwrap().insert((operation.name(), parts.status.as_u16()));
        }
        JsonResponse { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a JSON request; returns the response without checking its body.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Body) -> Response<Body> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let response = self.send_request(request).await;
        assert!(response.headers().contains_key("x-request-id"), "{response:?}");
        response
    }

    /// Sends a request with the client's headers added.
    pub(crate) async fn send_request(&self, mut request: Request<Body>) -> Response<Body> {
        request.headers_mut().extend(self.headers.clone());
        let hour = Duration::from_secs(3600);
        let response = tokio::time::timeout(hour, self.app.clone().oneshot(request));
        response.await.expect("the request hangs").unwrap()
    }

    /// Opens an event stream.
    pub(crate) async fn open_stream(&self, path: &str, body: Value) -> EventStream {
        let response = self.send(Method::POST, path, body.to_string().into()).await;
        spec::check_stream(&Method::POST, path);
        EventStream::from_response(response)
    }

    /// A client whose run requests resume the stream of the run after this event.
    pub(crate) fn resuming_after(&self, event_id: &str) -> Self {
        self.with_header("accept", "text/event-stream").with_header("last-event-id", event_id)
    }

    /// Resumes the stream of a run after an event.
    pub(crate) async fn resume_stream(&self, path: &str, event_id: u64) -> EventStream {
        let client = self.resuming_after(&event_id.to_string());
        let response = client.send(Method::GET, path, Body::empty()).await;
        spec::check_stream(&Method::GET, path);
        EventStream::from_response(response)
    }

    /// Resumes the stream of a run after an event and reads it to its end.
    pub(crate) async fn resumed_events(&self, path: &str, event_id: u64) -> Vec<Event> {
        self.resume_stream(path, event_id).await.read_to_end().await
    }

    /// Opens an event stream and reads it to its end.
    pub(crate) async fn stream_events(&self, path: &str, body: Value) -> Vec<Event> {
        self.open_stream(path, body).await.read_to_end().await
    }

    pub(crate) async fn create_assistant(&self, fields: Value) -> String {
        let body = merged(json!({"model": "test-model"}), fields);
        id(&self.post("/assistants", body).await.ok())
    }

    /// Creates a thread with one user message.
    pub(crate) async fn create_thread(&self, text: &str) -> String {
        let body = json!({"messages": [{"role": "user", "content": text}]});
        id(&self.post("/threads", body).await.ok())
    }

    /// Creates an assistant with these functions, and a thread.
    pub(crate) async fn create_fixture(&self, functions: &[&str]) -> Fixture {
        let tools: Vec<Value> = functions.iter().map(|name| function_tool(name)).collect();
        let assistant = self.create_assistant(json!({"tools": tools})).await;
        let thread = self.create_thread("Hello there").await;
        Fixture { client: self.clone(), assistant, thread }
    }
}

/// An assistant and a thread.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) client: TestClient,
    /// The id of the assistant.
    pub(crate) assistant: String,
    /// The id of the thread.
    pub(crate) thread: String,
}

impl Fixture {
    /// A fixture on a new server whose model plays these turns.
    pub(crate) async fn with_turns(
        turns: impl IntoIterator<Item = Turn>,
        functions: &[&str],
    ) -> Self {
        TestClient::with_turns(turns).create_fixture(functions).await
    }

    pub(crate) async fn with_model(model: impl Model, functions: &[&str]) -> Self {
        TestClient::with_model(model).create_fixture(functions).await
    }

    pub(crate) async fn from_builder(builder: ServerBuilder, functions: &[&str]) -> Self {
        TestClient::from_builder(builder).create_fixture(functions).await
    }

    pub(crate) fn runs_path(&self) -> String {
        format!("/threads/{}/runs", self.thread)
    }

    pub(crate) fn assistant_path(&self) -> String {
        format!("/assistants/{}", self.assistant)
    }

    pub(crate) fn thread_path(&self) -> String {
        format!("/threads/{}", self.thread)
    }

    pub(crate) fn messages_path(&self) -> String {
        format!("/threads/{}/messages", self.thread)
    }

    pub(crate) fn message_path(&self, message: &Value) -> String {
        format!("{}/{}", self.messages_path(), id(message))
    }

    pub(crate) fn run_path(&self, run: &Value, suffix: &str) -> String {
        format!("{}/{}{suffix}", self.runs_path(), id(run))
    }

    /// A create-run body with these fields.
    pub(crate) fn run_body(&self, fields: Value) -> Value {
        merged(json!({"assistant_id": self.assistant}), fields)
    }

    pub(crate) async fn try_create_run(&self, fields: Value) -> JsonResponse {
        self.client.post(&self.runs_path(), self.run_body(fields)).await
    }

    /// Creates a run.
    pub(crate) async fn create_run(&self, fields: Value) -> Value {
        self.try_create_run(fields).await.ok()
    }

    pub(crate) async fn get_run(&self, run: &Value) -> Value {
        self.client.get(&self.run_path(run, "")).await.ok()
    }

    /// Returns the newest run of the thread.
    pub(crate) async fn newest_run(&self) -> Value {
        self.client.get(&self.runs_path()).await.ok()["data"][0].clone()
    }

    /// Creates a run and polls it until it stops.
    pub(crate) async fn create_run_and_wait(&self, fields: Value) -> Value {
        let run = self.create_run(fields).await;
        self.wait_for_run(&run).await
    }

    /// Polls a run until it has ended or requires action, for an hour at most.
    pub(crate) async fn wait_for_run(&self, run: &Value) -> Value {
        for _ in 0..36_000 {
            let run = self.get_run(run).await;
            if !matches!(run["status"].as_str(), Some("queued" | "in_progress" | "cancelling")) {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the run does not stop: {run}");
    }

    /// Submits one output for each call of a run that requires action.
    pub(crate) async fn submit_outputs(&self, run: &Value, outputs: &[&str]) -> Value {
        self.try_submit_outputs(run, tool_outputs_body(run, outputs)).await.ok()
    }

    pub(crate) async fn try_submit_outputs(&self, run: &Value, body: Value) -> JsonResponse {
        self.client.post(&self.run_path(run, "/submit_tool_outputs"), body).await
    }

    /// Submits one output for each call, and opens a stream of the continued run.
    pub(crate) async fn open_outputs_stream(&self, run: &Value, outputs: &[&str]) -> EventStream {
        let body = merged(tool_outputs_body(run, outputs), json!({"stream": true}));
        self.client.open_stream(&self.run_path(run, "/submit_tool_outputs"), body).await
    }

    pub(crate) async fn cancel_run(&self, run: &Value) -> JsonResponse {
        self.client.post_raw(&self.run_path(run, "/cancel"), "").await
    }

    pub(crate) async fn open_run_stream(&self, fields: Value) -> EventStream {
        let body = merged(self.run_body(fields), json!({"stream": true}));
        self.client.open_stream(&self.runs_path(), body).await
    }

    pub(crate) async fn stream_run(&self, fields: Value) -> Vec<Event> {
        self.open_run_stream(fields).await.read_to_end().await
    }

    /// The steps of a run, oldest first.
    pub(crate) async fn list_steps(&self, run: &Value) -> Vec<Value> {
        let list = self.client.get(&self.run_path(run, "/steps?order=asc")).await.ok();
        list["data"].as_array().unwrap().clone()
    }

    /// The newest message of the thread.
    pub(crate) async fn newest_message(&self) -> Value {
        self.client.get(&self.messages_path()).await.ok()["data"][0].clone()
    }

    /// The texts of the messages, oldest first.
    pub(crate) async fn message_texts(&self) -> Vec<String> {
        let list = self.client.get(&format!("{}?order=asc", self.messages_path())).await.ok();
        list["data"].as_array().unwrap().iter().map(message_text).collect()
    }
}

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
}

/// Fetches the Prometheus metrics.
pub(crate) async fn fetch_metrics(client: &TestClient) -> String {
    let response = client.send(Method::GET, "/metrics", Body::empty()).await;
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
