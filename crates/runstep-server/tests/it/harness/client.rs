//! The client, and assertions about JSON responses.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use runstep_server::model::{Model, Scripted, Turn};
use runstep_server::{Durability, Server, ServerBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::{Event, EventStream, Fixture, MAX_BODY, function_tool, id, merged, spec};

/// A client of a server under test.
#[derive(Clone)]
pub(crate) struct TestClient {
    app: Router,
    /// Headers of every request.
    headers: HeaderMap,
    validated: Arc<Mutex<BTreeSet<(&'static str, u16)>>>,
    /// The directory of the data file.
    _directory: Option<Arc<TempDir>>,
}

/// A response with a JSON body.
#[derive(Debug)]
pub(crate) struct JsonResponse {
    /// Method and path of the request.
    request: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl JsonResponse {
    /// Returns the body of a successful response.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}: {}", self.request, self.body);
        self.body
    }

    /// Returns the error of a response with this status.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.body);
        self.body["error"].clone()
    }

    /// Checks for an error about the state of an object, with neither parameter nor code.
    #[track_caller]
    pub(crate) fn expect_state_error(self, message: &str) {
        self.expect_state_error_with_status(400, message);
    }

    #[track_caller]
    pub(crate) fn expect_not_found(self, kind: &str, id: &str) {
        let message = format!("No {kind} found with id '{id}'.");
        self.expect_state_error_with_status(404, &message);
    }

    #[track_caller]
    fn expect_state_error_with_status(self, status: u16, message: &str) {
        let request = self.request.clone();
        assert_eq!(self.expect_error(status), invalid_request_error(message), "{request}");
    }

    /// Checks for the error about an invalid parameter, or about the body if `param` is null.
    /// Returns its message.
    #[track_caller]
    pub(crate) fn expect_invalid(self, param: impl Into<Value>, code: &str) -> String {
        let error = self.expect_error(400);
        let message = error["message"].as_str().unwrap().to_owned();
        let details = json!({"param": param.into(), "code": code});
        assert_eq!(error, merged(invalid_request_error(&message), details));
        message
    }

    /// Checks for the error about a value that the server does not support.
    #[track_caller]
    pub(crate) fn expect_unsupported(self, param: &str, feature: &str) {
        let message =
            format!("Unsupported value for '{param}': this server does not support {feature}.");
        assert_eq!(self.expect_invalid(param, "unsupported_value"), message);
    }

    #[track_caller]
    pub(crate) fn expect_rate_limit(self, reason: &str) {
        assert_eq!(self.header("retry-after"), Some("1"));
        let message = format!("Rate limit reached, because {reason}. Please try again in 1 s.");
        let expected = json!({
            "message": message,
            "type": "rate_limit_error",
            "param": null,
            "code": "rate_limit_exceeded",
        });
        assert_eq!(self.expect_error(429), expected);
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An error with neither parameter nor code.
pub(crate) fn invalid_request_error(message: &str) -> Value {
    json!({"message": message, "type": "invalid_request_error", "param": null, "code": null})
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
        if !crate::HAS_DATA_FILE {
            return Self::from_router(builder.app().unwrap());
        }
        let directory = tempfile::tempdir().unwrap();
        let builder = builder.data_file(directory.path().join("data.db"));
        let app = builder.durability(Durability::Normal).app().unwrap();
        Self { _directory: Some(Arc::new(directory)), ..Self::from_router(app) }
    }

    /// A client of a router, which may nest the server.
    pub(crate) fn from_router(app: Router) -> Self {
        Self { app, headers: HeaderMap::new(), validated: Arc::default(), _directory: None }
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
            self.validated.lock().unwrap().insert((operation.id(), parts.status.as_u16()));
        }
        JsonResponse { request, status: parts.status, headers: parts.headers, body }
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
