//! An HTTP server that records its requests and sends scripted responses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use runstep::{Client, ClientBuilder, RetryPolicy};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{API_KEY, http_response, json_response};

/// A request as the server received it.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRequest {
    pub(crate) method: Method,
    /// Path and query, still percent-encoded.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl RecordedRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The request as text for snapshots, without the API key and without values that change from
    /// run to run.
    pub(crate) fn text(&self) -> String {
        let mut headers: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !["host", "user-agent", "content-length"].contains(&name.as_str()))
            .map(|(name, value)| match name.as_str() {
                "authorization" => "authorization: (redacted)".to_owned(),
                "idempotency-key" => "idempotency-key: (unique)".to_owned(),
                _ => format!("{name}: {}", value.to_str().unwrap()),
            })
            .collect();
        headers.sort();
        let body = match self.body.as_ref() {
            b"" => "(no body)".to_owned(),
            body => {
                let body: Value = serde_json::from_slice(body).unwrap();
                serde_json::to_string_pretty(&body).unwrap()
            }
        };
        format!("{} {}\n{}\n\n{body}", self.method, self.target, headers.join("\n"))
    }
}

/// The server. It stops when it is dropped.
pub(crate) struct RecordingServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
    task: JoinHandle<()>,
}

impl RecordingServer {
    /// Starts a server whose responses depend on the number of the request, from 0.
    pub(crate) async fn start(
        respond: impl Fn(usize) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(move |number, _| respond(number)).await
    }

    /// Starts a server whose responses depend on the number of the request, from 0, and on the
    /// request.
    pub(crate) async fn start_with(
        respond: impl Fn(usize, &RecordedRequest) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let app = Router::new().fallback(move |request: Request| async move {
            let (parts, body) = request.into_parts();
            let request = RecordedRequest {
                method: parts.method,
                target: parts.uri.to_string(),
                headers: parts.headers,
                body: to_bytes(body, usize::MAX).await.unwrap(),
            };
            let number = {
                let mut requests = log.lock().unwrap();
                requests.push(request.clone());
                requests.len() - 1
            };
            respond(number, &request)
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, requests, task }
    }

    /// Starts a server that sends this JSON with status 200 for every request.
    pub(crate) async fn with_json(value: Value) -> Self {
        Self::start(move |_| json_response(&value)).await
    }

    /// Starts a server that sends the same response for every request.
    pub(crate) async fn with_response(
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: impl Into<Bytes>,
    ) -> Self {
        let body = body.into();
        Self::start(move |_| http_response(status, headers, body.clone())).await
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The server's URL without a path.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client without retries.
    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder(self.base_url()).api_key(API_KEY).retry_policy(RetryPolicy::none())
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// The number of requests so far.
    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The number of requests with this method and a path that ends with this suffix.
    pub(crate) fn count_of(&self, method: &str, path_suffix: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        let matching = requests
            .iter()
            .filter(|request| request.method == method && request.path().ends_with(path_suffix));
        matching.count()
    }

    /// The request, of which there must be exactly one.
    pub(crate) fn only_request(&self) -> RecordedRequest {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }
}

impl Drop for RecordingServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
