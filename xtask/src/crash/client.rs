//! Requests to the server.

use std::io::{BufRead as _, BufReader};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;

use super::events::Event;

/// The timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The same if there are other nodes to try.
const NODE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long reads and checks are repeated until a node responds.
const PATIENCE: Duration = Duration::from_secs(30);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// A client of one server process, or of several nodes, to which it sends requests in turn.
pub(super) struct Client {
    agent: Agent,
    urls: Vec<String>,
    requests: AtomicUsize,
}

/// The server was killed before the response was complete, or it cannot reach its database.
#[derive(Debug)]
pub(super) struct Killed;

/// A status and a JSON body.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Client {
    pub(super) fn new(urls: Vec<String>) -> Self {
        let timeout = if urls.len() > 1 { NODE_TIMEOUT } else { TIMEOUT };
        let config = Agent::config_builder();
        let config = config.http_status_as_error(false).timeout_global(Some(timeout)).build();
        Self { agent: config.into(), urls, requests: AtomicUsize::new(0) }
    }

    /// Returns whether a request that failed can succeed on another node.
    pub(super) fn has_nodes(&self) -> bool {
        self.urls.len() > 1
    }

    /// Returns the URL of a path on the next node.
    fn url(&self, path: &str) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let node = self.urls.get(number % self.urls.len().max(1));
        format!("{}{path}", node.map(String::as_str).unwrap_or_default())
    }

    /// Repeats a request on other nodes for a while.
    pub(super) fn patiently<T>(
        &self,
        mut request: impl FnMut() -> Result<T, Killed>,
    ) -> Result<T, Killed> {
        let started = Instant::now();
        loop {
            match request() {
                Err(Killed) if self.has_nodes() && started.elapsed() < PATIENCE => {
                    std::thread::sleep(RETRY_INTERVAL);
                }
                result => return result,
            }
        }
    }

    pub(super) fn get(&self, path: &str) -> Result<Response, Killed> {
        self.patiently(|| {
            let response = self.agent.get(self.url(path)).call();
            Self::read(response.map_err(|_| Killed)?)
        })
    }

    pub(super) fn delete(&self, path: &str) -> Result<Response, Killed> {
        let response = self.agent.delete(self.url(path)).call();
        Self::read(response.map_err(|_| Killed)?)
    }

    pub(super) fn post(&self, path: &str, body: &Value, key: &str) -> Result<Response, Killed> {
        Self::read(self.send(path, body, key)?)
    }

    /// Sends a request for a stream, and adds events until it ends. Returns an error response if
    /// there is no stream.
    pub(super) fn stream(
        &self,
        path: &str,
        body: &Value,
        key: &str,
        events: &mut Vec<Event>,
    ) -> Result<Option<Response>, Killed> {
        let response = self.send(path, body, key)?;
        if response.status() != 200 {
            return Self::read(response).map(Some);
        }
        Self::read_events(response, events)?;
        Ok(None)
    }

    /// Adds the events of a run after the one with this number. Adds none if there are none.
    pub(super) fn resume(
        &self,
        path: &str,
        after: u64,
        events: &mut Vec<Event>,
    ) -> Result<(), Killed> {
        let request = self.agent.get(self.url(path));
        let request = request
            .header("accept", "text/event-stream")
            .header("last-event-id", after.to_string());
        let response = request.call().map_err(|_| Killed)?;
        if is_unavailable(&response) {
            return Err(Killed);
        }
        let kind = response.headers().get("content-type").cloned();
        if kind.is_some_and(|kind| kind.as_bytes() == b"text/event-stream") {
            Self::read_events(response, events)?;
        }
        Ok(())
    }

    fn send(
        &self,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Result<ureq::http::Response<ureq::Body>, Killed> {
        let request = self.agent.post(self.url(path));
        let request =
            request.header("content-type", "application/json").header("idempotency-key", key);
        request.send(body.to_string()).map_err(|_| Killed)
    }

    fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Response, Killed> {
        if is_unavailable(&response) {
            return Err(Killed);
        }
        let text = response.body_mut().read_to_string().map_err(|_| Killed)?;
        let body = serde_json::from_str(&text).map_err(|_| Killed)?;
        Ok(Response { status: response.status().as_u16(), body })
    }

    /// Reads events up to `done`. A stream that ends before it was cut off.
    fn read_events(
        response: ureq::http::Response<ureq::Body>,
        events: &mut Vec<Event>,
    ) -> Result<(), Killed> {
        let mut event = Event::default();
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|_| Killed)?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = id.parse().map_err(|_| Killed)?,
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("data", data)) => event.data = data.to_owned(),
                _ if line.is_empty() && event.id > 0 => {
                    let is_done = event.name == "done";
                    events.push(std::mem::take(&mut event));
                    if is_done {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        Err(Killed)
    }
}

/// Returns whether the server cannot reach its database.
fn is_unavailable(response: &ureq::http::Response<ureq::Body>) -> bool {
    response.status() == 503
}

/// Returns a member of a JSON object, or null.
pub(crate) fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}
