//! Requests to a server without a socket. Every reply is checked for what all replies have in
//! common: a request id, JSON that fits the specification, and no failure of the server.

pub(crate) mod events;
pub(crate) mod spec;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use runstep_server::model::{Model, Scripted, Turn};
use runstep_server::{Server, ServerBuilder};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

pub(crate) use events::{Event, EventStream, Frame, last_run, names, told};

/// Longer than any body in these tests.
const BODY: usize = 64 * 1024 * 1024;

/// A server under test.
#[derive(Clone)]
pub(crate) struct Api {
    app: Router,
    /// What goes with every request.
    headers: HeaderMap,
}

/// A reply that is JSON.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// The object, of a reply that is a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The error, of a refusal with this status.
    #[track_caller]
    pub(crate) fn refused(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["error"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Api {
    pub(crate) fn new(model: impl Model) -> Self {
        Self::built(Server::builder().model(model))
    }

    /// A server whose model takes these turns.
    pub(crate) fn scripted(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::new(Scripted::new(turns))
    }

    pub(crate) fn built(builder: ServerBuilder) -> Self {
        Self::of(builder.app().unwrap())
    }

    /// A server that is part of another application, or is one.
    pub(crate) fn of(app: Router) -> Self {
        Self { app, headers: HeaderMap::new() }
    }

    /// The same server, asked with one more header.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut same = self.clone();
        same.headers.insert(name, value.parse().unwrap());
        same
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.post_text(path, body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: impl Into<Body>) -> Reply {
        self.request(Method::POST, path, body.into()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, path, Body::empty()).await
    }

    pub(crate) async fn request(&self, method: Method, path: &str, body: Body) -> Reply {
        let what = format!("{method} {path}");
        let (parts, body) = self.send(method.clone(), path, body).await.into_parts();
        let bytes = to_bytes(body, BODY).await.unwrap();
        let body: Value = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| panic!("{what}: {}", String::from_utf8_lossy(&bytes)));
        assert!(!parts.status.is_server_error(), "{what}: {body}");
        let kind = parts.headers.get("content-type").map(|kind| kind.to_str().unwrap());
        assert_eq!(kind, Some("application/json"), "{what}");
        spec::check_reply(&method, path, parts.status, &body);
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// A reply as it comes.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> axum::http::Response<Body> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let reply = self.send_bare(request).await;
        assert!(reply.headers().contains_key("x-request-id"), "{reply:?}");
        reply
    }

    /// A reply to a request with no more headers than it has, other than those of all.
    pub(crate) async fn send_bare(&self, mut request: Request<Body>) -> axum::http::Response<Body> {
        request.headers_mut().extend(self.headers.clone());
        let hour = Duration::from_secs(3600);
        let reply = tokio::time::timeout(hour, self.app.clone().oneshot(request));
        reply.await.expect("no hang").unwrap()
    }

    /// Opens a stream, whose events can be read one by one.
    pub(crate) async fn listen(&self, path: &str, body: Value) -> EventStream {
        let reply = self.send(Method::POST, path, body.to_string().into()).await;
        spec::check_stream(&Method::POST, path);
        EventStream::of(reply)
    }

    /// Listens again to a run, after an event.
    pub(crate) async fn resume(&self, path: &str, after: u64) -> EventStream {
        let api =
            self.with("accept", "text/event-stream").with("last-event-id", &after.to_string());
        let reply = api.send(Method::GET, path, Body::empty()).await;
        spec::check_stream(&Method::GET, path);
        EventStream::of(reply)
    }

    /// All events of a stream, up to its end.
    pub(crate) async fn stream(&self, path: &str, body: Value) -> Vec<Event> {
        self.listen(path, body).await.rest().await
    }

    pub(crate) async fn assistant(&self, more: Value) -> String {
        let body = merged(json!({"model": "test-model"}), more);
        id(&self.post("/assistants", body).await.ok())
    }

    /// A thread with one message of a user.
    pub(crate) async fn thread(&self, text: &str) -> String {
        let body = json!({"messages": [{"role": "user", "content": text}]});
        id(&self.post("/threads", body).await.ok())
    }

    /// An assistant with `functions`, and a thread, to be run.
    pub(crate) async fn scene(&self, functions: &[&str]) -> Scene {
        let tools: Vec<Value> = functions.iter().map(|name| function(name)).collect();
        let assistant = self.assistant(json!({"tools": tools})).await;
        let thread = self.thread("Hello there").await;
        Scene { api: self.clone(), assistant, thread }
    }
}

/// An assistant and a thread on a server.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) api: Api,
    pub(crate) assistant: String,
    pub(crate) thread: String,
}

impl Scene {
    pub(crate) fn runs(&self) -> String {
        format!("/threads/{}/runs", self.thread)
    }

    pub(crate) fn assistant_path(&self) -> String {
        format!("/assistants/{}", self.assistant)
    }

    pub(crate) fn thread_path(&self) -> String {
        format!("/threads/{}", self.thread)
    }

    pub(crate) fn messages(&self) -> String {
        format!("/threads/{}/messages", self.thread)
    }

    pub(crate) fn run_path(&self, run: &Value, rest: &str) -> String {
        format!("{}/{}{rest}", self.runs(), id(run))
    }

    pub(crate) fn body(&self, more: Value) -> Value {
        merged(json!({"assistant_id": self.assistant}), more)
    }

    pub(crate) async fn try_start(&self, more: Value) -> Reply {
        self.api.post(&self.runs(), self.body(more)).await
    }

    /// A run as it was created.
    pub(crate) async fn start(&self, more: Value) -> Value {
        self.try_start(more).await.ok()
    }

    pub(crate) async fn get_run(&self, run: &Value) -> Value {
        self.api.get(&self.run_path(run, "")).await.ok()
    }

    /// A run that was created and polled for as long as it was under way.
    pub(crate) async fn play(&self, more: Value) -> Value {
        let run = self.start(more).await;
        self.settle(&run).await
    }

    /// Polls a run until it is no longer under way, for an hour at most.
    pub(crate) async fn settle(&self, run: &Value) -> Value {
        for _ in 0..36_000 {
            let run = self.get_run(run).await;
            if !matches!(run["status"].as_str(), Some("queued" | "in_progress" | "cancelling")) {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the run does not settle: {run}");
    }

    /// Hands in an output for each call that a run waits for.
    pub(crate) async fn submit(&self, run: &Value, outputs: &[&str]) -> Value {
        self.try_submit(run, outputs_for(run, outputs)).await.ok()
    }

    pub(crate) async fn try_submit(&self, run: &Value, body: Value) -> Reply {
        self.api.post(&self.run_path(run, "/submit_tool_outputs"), body).await
    }

    pub(crate) async fn cancel(&self, run: &Value) -> Reply {
        self.api.post_text(&self.run_path(run, "/cancel"), "").await
    }

    pub(crate) async fn listen(&self, more: Value) -> EventStream {
        let body = merged(self.body(more), json!({"stream": true}));
        self.api.listen(&self.runs(), body).await
    }

    pub(crate) async fn stream(&self, more: Value) -> Vec<Event> {
        self.listen(more).await.rest().await
    }

    /// A run's steps, oldest first.
    pub(crate) async fn steps(&self, run: &Value) -> Vec<Value> {
        let list = self.api.get(&self.run_path(run, "/steps?order=asc")).await.ok();
        list["data"].as_array().unwrap().clone()
    }

    /// What the messages of the thread say, oldest first.
    pub(crate) async fn texts(&self) -> Vec<String> {
        let list = self.api.get(&format!("{}?order=asc", self.messages())).await.ok();
        list["data"].as_array().unwrap().iter().map(text).collect()
    }
}

/// A tool that is a function.
pub(crate) fn function(name: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id: {object}")).to_owned()
}

/// The text of a message.
pub(crate) fn text(message: &Value) -> String {
    message["content"][0]["text"]["value"].as_str().unwrap_or_default().to_owned()
}

/// Ids of the calls that a run waits for.
pub(crate) fn call_ids(run: &Value) -> Vec<String> {
    let calls = run["required_action"]["submit_tool_outputs"]["tool_calls"].as_array();
    calls.unwrap_or_else(|| panic!("nothing is required: {run}")).iter().map(id).collect()
}

pub(crate) fn outputs_for(run: &Value, outputs: &[&str]) -> Value {
    let ids = call_ids(run);
    assert_eq!(ids.len(), outputs.len());
    let pair = |(id, output): (&String, &&str)| json!({"tool_call_id": id, "output": output});
    json!({"tool_outputs": ids.iter().zip(outputs).map(pair).collect::<Vec<_>>()})
}

pub(crate) fn merged(base: Value, more: Value) -> Value {
    let (Value::Object(mut base), Value::Object(more)) = (base, more) else {
        panic!("only objects can be merged");
    };
    base.extend::<Map<String, Value>>(more);
    Value::Object(base)
}

/// Lets the tasks of the server run until they have to wait.
pub(crate) async fn breathe() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// The figures for Prometheus.
pub(crate) async fn figures(api: &Api) -> String {
    let reply = api.send(Method::GET, "/metrics", Body::empty()).await;
    assert_eq!(reply.status(), 200);
    let bytes = to_bytes(reply.into_body(), BODY).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Which of a run's times are set, `expires_at` among them.
pub(crate) fn times(run: &Value) -> Vec<&str> {
    let all =
        ["expires_at", "started_at", "cancelled_at", "failed_at", "completed_at", "expired_at"];
    all.into_iter().filter(|name| run[name].is_i64()).collect()
}

/// What so many tokens are as a usage.
pub(crate) fn usage(prompt: u64, completion: u64) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    })
}
