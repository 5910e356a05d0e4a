//! `cargo xtask cluster --speed`: how many runs nodes execute, the times between nodes, and what a
//! thousand streams cost.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::latency::{self, Client, Times};
use super::postgres::Postgres;
use super::provider::{LONG, Provider};
use super::{start_node, start_nodes};
use crate::crash::client::field;
use crate::programs::{Error, RunningServer, release_binary, target_directory};

const CLIENTS: usize = 16;
const DURATION: Duration = Duration::from_secs(5);
const STREAMS: usize = 1000;
/// Clock ticks of a second in `/proc`.
const TICKS: f64 = 100.0;

/// Measures with release builds, and prints what it finds.
///
/// # Errors
///
/// Returns an error if a program fails, or a request does.
pub(super) fn measure(root: &Path) -> Result<String, Error> {
    let database = Postgres::start(root, &target_directory(root)?.join("cluster"))?;
    let binary = release_binary(root)?;
    for count in 1..=3 {
        let nodes = start_nodes(&binary, &database.url(), count)?;
        println!("{}", runs(&nodes)?);
    }
    println!("{}", latency::measure(&binary, &database.url())?);
    streams(&binary, &database.url())
}

/// Creates runs and reads their events, each client on one node.
fn runs(nodes: &[RunningServer]) -> Result<String, Error> {
    let client = Client::new();
    let body = |assistant: &serde_json::Value| {
        json!({"assistant_id": assistant, "stream": true,
            "thread": {"messages": [{"role": "user", "content": "Hi"}]}})
    };
    let assistant = match nodes.first() {
        Some(node) => client.post(&node.url, "/assistants", &json!({"model": "offline"}))?,
        None => return Ok(String::new()),
    };
    let body = body(field(&assistant, "id"));
    let operations = || nodes.iter().map(|node| client.counter(node)).sum::<Result<u64, Error>>();
    let (before, ticks) = (operations()?, processor_ticks());
    let (is_over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .zip(nodes.iter().cycle())
            .map(|(_, node)| {
                scope.spawn(|| {
                    let client = Client::new();
                    while !is_over.load(Ordering::Relaxed) {
                        client.stream(&node.url, "/threads/runs", &body)?;
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        thread::sleep(DURATION);
        is_over.store(true, Ordering::Relaxed);
        let failed = || Err(Error::Measured("a client panicked".to_owned()));
        clients.into_iter().try_for_each(|client| client.join().unwrap_or_else(|_| failed()))
    })?;
    let (seconds, count) = (started.elapsed().as_secs_f64(), count.into_inner());
    let share = (processor_ticks() - ticks) / TICKS / seconds * 100.0;
    Ok(format!(
        "{} nodes: {:.0} runs a second, {:.1} round trips to the database for each; the load \
         generator used {share:.0} % of a core",
        nodes.len(),
        count as f64 / seconds,
        (operations()? - before) as f64 / count as f64,
    ))
}

/// Follows a thousand runs of ten seconds, each on another node than its own.
fn streams(binary: &Path, database: &str) -> Result<String, Error> {
    let provider = Provider::start(LONG)?;
    let options = ["--upstream", &provider.url];
    let start = || start_node(binary, database, &options);
    let nodes = [start()?, start()?, start()?];
    let client = Client::new();
    // Learns of the other nodes.
    thread::sleep(Duration::from_secs(super::LEASE_SECONDS));
    let [first, ..] = &nodes;
    let assistant = client.post(&first.url, "/assistants", &json!({"model": "mock"}))?;
    let body = json!({"assistant_id": field(&assistant, "id"),
        "thread": {"messages": [{"role": "user", "content": "Hi"}]}});
    let mut readers = Vec::new();
    for (index, (own, other)) in
        nodes.iter().cycle().zip(nodes.iter().cycle().skip(1)).take(STREAMS).enumerate()
    {
        let run = client.post(&own.url, "/threads/runs", &body)?;
        let text = |name| field(&run, name).as_str().unwrap_or_default();
        let path = format!("/threads/{}/runs/{}", text("thread_id"), text("id"));
        let url = other.url.clone();
        let reader = thread::Builder::new().stack_size(256 * 1024);
        let reader = reader.spawn(move || Client::new().read_deltas(&url, &path));
        let failed = |source| Error::Start { program: format!("reader {index}"), source };
        readers.push(reader.map_err(failed)?);
    }
    let mut times = Times::default();
    for reader in readers {
        let failed = || Err(Error::Measured("a reader panicked".to_owned()));
        times.deltas.extend(reader.join().unwrap_or_else(|_| failed())?);
    }
    let (received, sent) = (times.deltas.len(), STREAMS * LONG.chunks as usize);
    Ok(format!(
        "{STREAMS} streams, each on another node than its run: {received} of {sent} deltas\n{times}"
    ))
}

/// Returns the processor time of this process.
fn processor_ticks() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    // The fields 14 and 15 of the line, which are the times in user and in kernel mode.
    fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum()
}

impl Client {
    /// Creates a run and reads its events to the end.
    fn stream(&self, url: &str, path: &str, body: &serde_json::Value) -> Result<(), Error> {
        let failed = |message: String| Error::Measured(format!("POST {path}: {message}"));
        let request = self.agent().post(format!("{url}{path}"));
        let request = request.header("content-type", "application/json");
        let response = request.send(body.to_string()).map_err(|error| failed(error.to_string()))?;
        let mut last = String::new();
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|error| failed(error.to_string()))?;
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut last);
            }
        }
        if last == "done" { Ok(()) } else { Err(failed(format!("the last event is {last:?}"))) }
    }

    /// Returns how many operations a node has sent to its database.
    fn counter(&self, node: &RunningServer) -> Result<u64, Error> {
        let url = node.url.trim_end_matches("/v1");
        let failed = |error: ureq::Error| Error::Measured(format!("GET /metrics: {error}"));
        let response = self.agent().get(format!("{url}/metrics")).call();
        let text = response.map_err(failed)?.body_mut().read_to_string().map_err(failed)?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("runstep_store_operations_total "));
        Ok(line.and_then(|value| value.parse().ok()).unwrap_or_default())
    }
}
