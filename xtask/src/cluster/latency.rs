//! The times that events, cancellations and take-overs take between nodes.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

use super::provider::{Provider, SHORT};
use super::{LEASE_SECONDS, start_node};
use crate::crash::client::field;
use crate::programs::Error;

const ROUNDS: usize = 10;
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long it takes until a run has output.
const OUTPUT_TIME: Duration = Duration::from_millis(300);
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The measured times.
#[derive(Default)]
pub(super) struct Times {
    /// From the provider's chunk to a reader on another node.
    pub(super) deltas: Vec<Duration>,
    /// From the request on another node to the status `cancelled` on a third one.
    cancellations: Vec<Duration>,
    /// From the end of a node to that of its run.
    takeovers: Vec<Duration>,
}

impl fmt::Display for Times {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = |formatter: &mut fmt::Formatter<'_>, name: &str, times: &[Duration]| {
            if times.is_empty() {
                return Ok(());
            }
            let mut sorted = times.to_vec();
            sorted.sort();
            let milliseconds = |index: usize| {
                sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(0, Duration::as_millis)
            };
            let (median, last) = (sorted.len() / 2, sorted.len());
            writeln!(
                formatter,
                "{name}: median {} ms, 99 % {} ms, all {} ms ({})",
                milliseconds(median),
                milliseconds(last * 99 / 100),
                milliseconds(last),
                sorted.len(),
            )
        };
        write(formatter, "deltas on another node", &self.deltas)?;
        write(formatter, "cancellations on another node", &self.cancellations)?;
        let takeovers = format!("take-overs with a lease of {LEASE_SECONDS} s");
        write(formatter, &takeovers, &self.takeovers)
    }
}

/// Measures with nodes of its own, whose provider is a mock.
pub(super) fn measure(binary: &Path, database: &str) -> Result<Times, Error> {
    let provider = Provider::start(SHORT)?;
    let start = || start_node(binary, database, &["--upstream", &provider.url]);
    let mut first = start()?;
    let (second, third) = (start()?, start()?);
    let client = Client::new();
    let mut times = Times::default();
    let assistant = client.post(&first.url, "/assistants", &json!({"model": "mock"}))?;
    let body = json!({"assistant_id": field(&assistant, "id"), "additional_messages": [
        {"role": "user", "content": "a"}]});
    let create = |url: &str| -> Result<String, Error> {
        let thread = client.post(url, "/threads", &json!({}))?;
        let runs = format!("/threads/{}/runs", field(&thread, "id").as_str().unwrap_or_default());
        let run = client.post(url, &runs, &body)?;
        Ok(format!("{runs}/{}", field(&run, "id").as_str().unwrap_or_default()))
    };
    for _ in 0..ROUNDS {
        let run = create(&first.url)?;
        times.deltas.extend(client.read_deltas(&second.url, &run)?);
    }
    for _ in 0..ROUNDS {
        let run = create(&first.url)?;
        client.wait(&second.url, &run, "in_progress")?;
        let started = Instant::now();
        client.post(&second.url, &format!("{run}/cancel"), &json!({}))?;
        client.wait(&third.url, &run, "cancelled")?;
        times.cancellations.push(started.elapsed());
    }
    for _ in 0..3 {
        let run = create(&first.url)?;
        client.wait(&second.url, &run, "in_progress")?;
        // A run without output would be repeated, and not fail.
        thread::sleep(OUTPUT_TIME);
        first.signal("KILL")?;
        let started = Instant::now();
        client.wait(&second.url, &run, "failed")?;
        times.takeovers.push(started.elapsed());
        first = start()?;
    }
    Ok(times)
}

/// A client that fails the measurement if a request fails.
pub(super) struct Client(Agent);

impl Client {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).build();
        Self(config.into())
    }

    pub(super) fn agent(&self) -> &Agent {
        &self.0
    }

    pub(super) fn post(&self, url: &str, path: &str, body: &Value) -> Result<Value, Error> {
        let request = self.0.post(format!("{url}{path}"));
        let request = request.header("content-type", "application/json");
        parse(path, request.send(body.to_string()))
    }

    /// Waits until a run has a status.
    fn wait(&self, url: &str, path: &str, status: &str) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let run = parse(path, self.0.get(format!("{url}{path}")).call())?;
            if *field(&run, "status") == status {
                return Ok(());
            }
            if started.elapsed() > TIMEOUT {
                return Err(Error::Measured(format!("GET {path}: not {status}, but {run}")));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Reads the events of a run. Returns how old its deltas were.
    pub(super) fn read_deltas(&self, url: &str, path: &str) -> Result<Vec<Duration>, Error> {
        let failed = |message: String| Error::Measured(format!("GET {path}: {message}"));
        let request = self.0.get(format!("{url}{path}"));
        let request = request.header("accept", "text/event-stream").header("last-event-id", "0");
        let response = request.call().map_err(|error| failed(error.to_string()))?;
        let mut ages = Vec::new();
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|error| failed(error.to_string()))?;
            let data = line.strip_prefix("data: ").unwrap_or_default();
            let Ok(data) = serde_json::from_str::<Value>(data) else { continue };
            let text = data.pointer("/delta/content/0/text/value").and_then(Value::as_str);
            for sent in text.unwrap_or_default().split_whitespace() {
                ages.extend(sent.parse().ok().map(Provider::age));
            }
        }
        if ages.is_empty() {
            return Err(failed("the stream has no deltas".to_owned()));
        }
        Ok(ages)
    }
}

fn parse(
    path: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value, Error> {
    let failed = |error: ureq::Error| Error::Measured(format!("{path}: {error}"));
    let text = response.map_err(failed)?.body_mut().read_to_string().map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| Error::Measured(format!("{path}: {error}")))
}
