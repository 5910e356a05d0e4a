//! Requests to the server.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use super::events::Event;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one server process.
pub(super) struct Client {
    agent: Agent,
    url: String,
}

/// The server was killed before the response was complete.
#[derive(Debug)]
pub(super) struct Killed;

/// A status and a JSON body.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Client {
    pub(super) fn new(url: &str) -> Self {
        let config = Agent::config_builder();
        let config = config.http_status_as_error(false).timeout_global(Some(TIMEOUT)).build();
        Self { agent: config.into(), url: url.to_owned() }
    }

    pub(super) fn get(&self, path: &str) -> Result<Response, Killed> {
        let response = self.agent.get(format!("{}{path}", self.url)).call();
        Self::read(response.map_err(|_| Killed)?)
    }

    pub(super) fn delete(&self, path: &str) -> Result<Response, Killed> {
        let response = self.agent.delete(format!("{}{path}", self.url)).call();
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
        let request = self.agent.get(format!("{}{path}", self.url));
        let request = request
            .header("accept", "text/event-stream")
            .header("last-event-id", after.to_string());
        let response = request.call().map_err(|_| Killed)?;
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
        let request = self.agent.post(format!("{}{path}", self.url));
        let request =
            request.header("content-type", "application/json").header("idempotency-key", key);
        request.send(body.to_string()).map_err(|_| Killed)
    }

    fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Response, Killed> {
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

/// Returns a member of a JSON object, or null.
pub(super) fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}
