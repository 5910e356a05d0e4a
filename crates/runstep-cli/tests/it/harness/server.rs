//! The server: `runstep-server` behind a router that replaces ids.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response, Uri, header};
use futures_util::StreamExt as _;
use runstep_server::model::{Model, Scripted, Turn};
use runstep_server::{ManualClock, Server, ServerBuilder};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::aliases::Aliases;
use super::program::Program;

/// The time at which servers start: 2027-01-15 08:00:00 UTC.
const START: u64 = 1_800_000_000;
/// How far the clock moves before each request that changes something.
const STEP: Duration = Duration::from_secs(2);

/// A server with stable ids and times. It stops when it is dropped.
pub(crate) struct TestServer {
    runtime: Runtime,
    address: SocketAddr,
}

impl TestServer {
    /// A server whose model plays these turns.
    pub(crate) fn with_turns(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::with_model(Scripted::new(turns))
    }

    pub(crate) fn with_model(model: impl Model) -> Self {
        Self::from_builder(Server::builder().model(model))
    }

    pub(crate) fn from_builder(builder: ServerBuilder) -> Self {
        let clock = ManualClock::starting_at(UNIX_EPOCH + Duration::from_secs(START));
        let builder = builder.clock(clock.clone());
        Self::serve(move || {
            let app = builder.app().unwrap();
            let aliases = Arc::new(Aliases::default());
            Router::new().fallback(move |request: Request| {
                if request.method() != Method::GET {
                    clock.advance(STEP);
                }
                forward(request, app.clone(), Arc::clone(&aliases))
            })
        })
    }

    /// A server of any other routes.
    pub(crate) fn from_router(router: Router) -> Self {
        Self::serve(move || router)
    }

    fn serve(router: impl FnOnce() -> Router) -> Self {
        let runtime = Runtime::new().unwrap();
        let address = runtime.block_on(async {
            let router = router();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move { axum::serve(listener, router).await });
            address
        });
        Self { runtime, address }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The program with this server's base URL.
    pub(crate) fn runstep(&self, arguments: &[&str]) -> Program {
        Program::new(arguments).env("RUNSTEP_BASE_URL", &self.base_url())
    }

    /// Creates an assistant, `asst_abc123` if it is the first one.
    pub(crate) fn assistant(&self, tools: Value) -> String {
        let client = runstep::Client::builder(self.base_url()).build().unwrap();
        let body = json!({ "model": "test", "name": "Weather", "tools": tools });
        let request = client.request(Method::POST, "/assistants").json(&body);
        let created = self.runtime.block_on(request.into_future()).unwrap();
        created["id"].as_str().unwrap().to_owned()
    }

    /// Returns the response of the server to a GET request.
    pub(crate) fn get(&self, path: &str) -> Value {
        let client = runstep::Client::builder(self.base_url()).build().unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = client.request(Method::GET, path);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            request = request.query(name, value);
        }
        self.runtime.block_on(request.into_future()).unwrap()
    }

    /// Creates an assistant with the function `weather`.
    pub(crate) fn weather_assistant(&self) -> String {
        let parameters =
            json!({ "type": "object", "properties": { "city": { "type": "string" } } });
        let function = json!({ "name": "weather", "parameters": parameters });
        self.assistant(json!([{ "type": "function", "function": function }]))
    }
}

/// Forwards a request with the ids of the server, and its response with aliases.
async fn forward(request: Request, app: Router, aliases: Arc<Aliases>) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    head.uri = aliases.reveal(&head.uri.to_string()).parse::<Uri>().unwrap();
    head.headers.remove(header::CONTENT_LENGTH);
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = aliases.reveal(std::str::from_utf8(&body).unwrap());
    let response = app.oneshot(Request::from_parts(head, Body::from(body))).await.unwrap();
    let (mut head, body) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert("x-request-id", HeaderValue::from_static("request_1"));
    // The server writes each event at once.
    let body = body.into_data_stream().map(move |chunk| {
        chunk.map(|chunk| Bytes::from(aliases.hide(std::str::from_utf8(&chunk).unwrap())))
    });
    Response::from_parts(head, Body::from_stream(body))
}
