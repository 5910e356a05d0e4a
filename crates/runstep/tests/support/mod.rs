//! A server that keeps what it is asked and answers what it is told to.

// Each test binary uses its own part of this.
#![allow(dead_code)]

pub(crate) mod script;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use runstep::{Client, ClientBuilder, RetryPolicy};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A key that appears nowhere else.
pub(crate) const KEY: &str = "sk-distinctive-key-7f3a";

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: Method,
    /// Path and query, as they were on the wire.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The request for reading: without the key, and without what differs from run to run.
    pub(crate) fn text(&self) -> String {
        let mut headers: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !["host", "user-agent", "content-length"].contains(&name.as_str()))
            .map(|(name, value)| match name.as_str() {
                "authorization" => "authorization: (checked apart)".to_owned(),
                "idempotency-key" => "idempotency-key: (another for each request)".to_owned(),
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

/// The server; it stops when this is dropped.
pub(crate) struct Recorder {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Recorded>>>,
    serving: JoinHandle<()>,
}

impl Recorder {
    /// Answers by the number of the request, from 0.
    pub(crate) async fn start(
        answer: impl Fn(usize) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::answering(move |number, _| answer(number)).await
    }

    /// Answers by the number of the request, from 0, and what was asked.
    pub(crate) async fn answering(
        answer: impl Fn(usize, &Recorded) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        let app = Router::new().fallback(move |request: Request| async move {
            let (parts, body) = request.into_parts();
            let recorded = Recorded {
                method: parts.method,
                target: parts.uri.to_string(),
                headers: parts.headers,
                body: to_bytes(body, usize::MAX).await.unwrap(),
            };
            let number = {
                let mut seen = keep.lock().unwrap();
                seen.push(recorded.clone());
                seen.len() - 1
            };
            answer(number, &recorded)
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, seen, serving }
    }

    /// Answers everything with status 200 and this.
    pub(crate) async fn with_json(value: Value) -> Self {
        Self::start(move |_| json(&value)).await
    }

    /// Answers everything the same.
    pub(crate) async fn with_reply(
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: impl Into<Bytes>,
    ) -> Self {
        let body = body.into();
        Self::start(move |_| reply(status, headers, body.clone())).await
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The address without a path.
    pub(crate) fn host(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client that sends each request once.
    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder(self.base_url()).api_key(KEY).retry_policy(RetryPolicy::none())
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Recorded> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests came.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// How many requests came with this method and a target that ends so.
    pub(crate) fn count_of(&self, method: &str, end: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        let path = |one: &Recorded| one.target.split('?').next().unwrap_or_default().to_owned();
        seen.iter().filter(|one| one.method == method && path(one).ends_with(end)).count()
    }

    /// The one request that was sent.
    pub(crate) fn only_request(&self) -> Recorded {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

pub(crate) fn json(value: &Value) -> Response {
    reply(200, &[("content-type", "application/json")], value.to_string())
}

/// The examples of a type in the specification.
pub(crate) fn examples(name: &str) -> Vec<Value> {
    let all = include_str!("../../../runstep-api/tests/examples.json");
    let mut all: Value = serde_json::from_str(all).unwrap();
    let Value::Array(examples) = all[name].take() else { panic!("no examples of {name}") };
    examples
}

/// The first example of a type.
pub(crate) fn example(name: &str) -> Value {
    examples(name).swap_remove(0)
}
