//! Measures the server: throughput and latency of runs, by number of stored objects as well, the
//! latency of events on many streams, and idle memory.
//!
//! Run it with `cargo bench --bench server` in the folder of this package. An argument selects one
//! part: `-- memory`, `throughput`, `streams`, `store`, `pages`, `thread_growth`, `refusals`, `sizes`,
//! `recovery` or `soak`; the last two run only if they are selected. The benchmark fails on errors, never
//! on slowness. Server and clients share one process and its tokio threads, one per core.

#[path = "server/connection.rs"]
mod connection;
#[path = "server/model.rs"]
mod model;
#[path = "server/recovery.rs"]
mod recovery;
#[path = "server/refusals.rs"]
mod refusals;
#[path = "server/store.rs"]
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use connection::{Connection, get, post, string_property};
use model::{InstantModel, TimestampModel};
use runstep_benches::Result;
use runstep_server::{RunningServer, Server};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Duration of each measurement, after the warm-up.
const MEASUREMENT: Duration = Duration::from_secs(5);
/// The number of runs for the measurement of memory.
const SOAK_RUNS: usize = 200_000;
const WARM_UP: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo bench` passes the flag `--bench`.
    let selected = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let is_selected = |name: &str| selected.as_ref().is_none_or(|selected| selected == name);
    if is_selected("memory") {
        measure_idle_memory()?;
    }
    if is_selected("throughput") {
        measure_throughput().await?;
    }
    if is_selected("streams") {
        measure_streams(false).await?;
        measure_streams(true).await?;
    }
    if is_selected("store") {
        store::measure().await?;
    }
    if is_selected("pages") {
        store::measure_pages().await?;
    }
    if is_selected("thread_growth") {
        store::measure_thread_growth().await?;
    }
    if is_selected("refusals") {
        refusals::measure().await?;
    }
    // These take minutes.
    if selected.as_deref() == Some("recovery") {
        recovery::measure().await?;
    }
    if selected.as_deref() == Some("soak") {
        store::measure_soak(SOAK_RUNS).await?;
    }
    if is_selected("sizes") {
        measure_sizes().await?;
    }
    Ok(())
}

/// How a client follows a run from its creation to its completion.
#[derive(Clone, Copy)]
enum Mode {
    /// One request, whose response is the event stream.
    Streamed,
    /// A request that creates the run, then retrieves without delays until it has completed.
    Polled,
}

/// The thread of a run.
#[derive(Clone)]
enum Target {
    /// A new thread, created together with the run.
    NewThread,
    /// An existing thread, with a truncation strategy.
    Thread { id: String, truncation: &'static str },
}

async fn measure_throughput() -> Result<()> {
    println!("\nruns from creation to completion, each on a new thread\n");
    println!(
        "{:<10} {:>7} {:>8} {:>9} {:>9} {:>9} {:>10}",
        "", "clients", "runs/s", "p50", "p99", "max", "CPU/run"
    );
    for (name, mode) in [("streamed", Mode::Streamed), ("polled", Mode::Polled)] {
        for clients in [1, 8] {
            let builder = Server::builder().model(InstantModel).max_stored_bytes(usize::MAX);
            let server = builder.spawn().await?;
            let assistant = create_assistant(server.address()).await?;
            let cpu = store::cpu_seconds()?;
            let mut durations =
                measure_runs(&server, clients, mode, &assistant, &Target::NewThread).await?;
            // The warm-up is not measured.
            let measured = MEASUREMENT.as_secs_f64() / (MEASUREMENT + WARM_UP).as_secs_f64();
            let cpu = (store::cpu_seconds()? - cpu) * measured * 1e6 / durations.len() as f64;
            let [p50, p99, max] = quantiles(&mut durations);
            let rate = durations.len() as f64 / MEASUREMENT.as_secs_f64();
            println!(
                "{name:<10} {clients:>7} {rate:>8.0} {p50:>6.3} ms {p99:>6.3} ms {max:>6.2} ms \
                 {cpu:>7.0} µs"
            );
        }
    }
    Ok(())
}

/// Measures whether the latency of a run depends on the number of stored objects.
async fn measure_sizes() -> Result<()> {
    println!("\nstreamed runs of one client, by number of stored objects\n");
    println!("{:<44} {:>9} {:>9} {:>9}", "", "p50", "p99", "max");
    for threads in [0, 10_000, 100_000] {
        let server =
            Server::builder().model(InstantModel).max_stored_bytes(usize::MAX).spawn().await?;
        let assistant = create_assistant(server.address()).await?;
        let before = resident("self")?;
        fill_with_runs(&server, &assistant, threads).await?;
        // A smaller number may reuse memory that earlier measurements have freed.
        if threads >= 100_000 {
            let average = resident("self")?.saturating_sub(before) as f64 / threads as f64;
            println!("{:<44} {average:>6.1} KiB per thread", format!("{threads} threads"));
        }
        print_latency(
            format!("{threads} threads with a run each"),
            &server,
            &assistant,
            &Target::NewThread,
        )
        .await?;
    }
    for messages in [10, 1_000, 100_000] {
        for truncation in ["last_messages", "auto"] {
            let server =
                Server::builder().model(InstantModel).max_stored_bytes(usize::MAX).spawn().await?;
            let assistant = create_assistant(server.address()).await?;
            let target = Target::Thread {
                id: thread_with_messages(server.address(), messages).await?,
                truncation,
            };
            let name = format!("{messages} messages on the thread, {truncation}");
            print_latency(name, &server, &assistant, &target).await?;
        }
    }
    Ok(())
}

async fn print_latency(
    name: String,
    server: &RunningServer,
    assistant: &str,
    target: &Target,
) -> Result<()> {
    let mut durations = measure_runs(server, 1, Mode::Streamed, assistant, target).await?;
    let [p50, p99, max] = quantiles(&mut durations);
    println!("{name:<44} {p50:>6.3} ms {p99:>6.3} ms {max:>6.2} ms");
    Ok(())
}

/// Returns the durations of runs, in milliseconds.
async fn measure_runs(
    server: &RunningServer,
    clients: usize,
    mode: Mode,
    assistant: &str,
    target: &Target,
) -> Result<Vec<f64>> {
    let warm_up_end = Instant::now() + WARM_UP;
    let end = warm_up_end + MEASUREMENT;
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (address, assistant, target) = (server.address(), assistant.to_owned(), target.clone());
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut durations = Vec::new();
            loop {
                let started = Instant::now();
                if started >= end {
                    return Result::Ok(durations);
                }
                run(&mut connection, mode, &assistant, &target).await?;
                if started >= warm_up_end {
                    durations.push(started.elapsed().as_secs_f64() * 1e3);
                }
            }
        });
    }
    let mut durations = Vec::new();
    while let Some(task) = tasks.join_next().await {
        durations.extend(task??);
    }
    Ok(durations)
}

async fn run(
    connection: &mut Connection,
    mode: Mode,
    assistant: &str,
    target: &Target,
) -> Result<()> {
    let stream = matches!(mode, Mode::Streamed);
    let (path, properties) = match target {
        Target::NewThread => {
            let messages = r#"[{"role":"user","content":"How is the weather in Paris today?"}]"#;
            ("/v1/threads/runs".to_owned(), format!(r#","thread":{{"messages":{messages}}}"#))
        }
        Target::Thread { id, truncation } => {
            let last_messages = if *truncation == "auto" { "" } else { r#","last_messages":5"# };
            let strategy =
                format!(r#","truncation_strategy":{{"type":"{truncation}"{last_messages}}}"#);
            (format!("/v1/threads/{id}/runs"), strategy)
        }
    };
    let body = format!(r#"{{"assistant_id":"{assistant}","stream":{stream}{properties}}}"#);
    let response = connection.call(&post(&path, &body)).await?;
    match mode {
        Mode::Streamed if response.contains("event: thread.run.completed\n") => Ok(()),
        Mode::Streamed => Err(format!("the run did not complete: {response}").into()),
        Mode::Polled => {
            let run = string_property(response, "id")?;
            let thread = string_property(response, "thread_id")?;
            let poll = get(&format!("/v1/threads/{thread}/runs/{run}"));
            while !connection.call(&poll).await?.contains(r#""status":"completed""#) {}
            Ok(())
        }
    }
}

async fn create_assistant(address: SocketAddr) -> Result<String> {
    let mut connection = Connection::open(address).await?;
    let body = r#"{"model":"instant","instructions":"Report the weather."}"#;
    Ok(string_property(connection.call(&post("/v1/assistants", body)).await?, "id")?.to_owned())
}

async fn fill_with_runs(server: &RunningServer, assistant: &str, count: usize) -> Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (address, assistant) = (server.address(), assistant.to_owned());
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for _ in 0..count / 8 {
                run(&mut connection, Mode::Streamed, &assistant, &Target::NewThread).await?;
            }
            Result::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

/// Creates a thread with messages of 40 characters.
async fn thread_with_messages(address: SocketAddr, messages: usize) -> Result<String> {
    let mut connection = Connection::open(address).await?;
    let thread = connection.call(&post("/v1/threads", "{}")).await?;
    let id = string_property(thread, "id")?.to_owned();
    let body = r#"{"role":"user","content":"How is the weather in Paris today, then?"}"#;
    let message = post(&format!("/v1/threads/{id}/messages"), body);
    for _ in 0..messages {
        connection.call(&message).await?;
    }
    Ok(id)
}

/// Measures the latency of events on 1,000 streams with 20 events per second each.
async fn measure_streams(with_data_file: bool) -> Result<()> {
    const STREAMS: u32 = 1000;
    const SECONDS: u32 = 10;
    let interval = Duration::from_millis(50);
    let epoch = Instant::now();
    let model = TimestampModel { epoch, interval, count: SECONDS * 20 };
    let directory = store::Directory::new()?;
    let builder = Server::builder().model(model);
    let server = match with_data_file {
        true => builder.data_file(directory.path().join("streams.db")).spawn().await?,
        false => builder.spawn().await?,
    };
    let assistant = Arc::new(create_assistant(server.address()).await?);
    let mut tasks = JoinSet::new();
    for number in 0..STREAMS {
        let (address, assistant) = (server.address(), Arc::clone(&assistant));
        tasks.spawn(async move {
            // Distribute the starts over one interval.
            tokio::time::sleep(interval * number / STREAMS).await;
            let mut connection = Connection::open(address).await?;
            let body = format!(r#"{{"assistant_id":"{assistant}","stream":true}}"#);
            let mut latencies = Vec::new();
            let is_last = |bytes: &[u8]| {
                let now = epoch.elapsed().as_micros() as f64;
                let text = String::from_utf8_lossy(bytes);
                for delta in text.split("event: thread.message.delta").skip(1) {
                    let due = delta.split_once("\"due ").and_then(|(_, rest)| rest.split_once(' '));
                    if let Some(due) = due.and_then(|(due, _)| due.parse::<f64>().ok()) {
                        latencies.push((now - due) / 1e3);
                    }
                }
                text.contains("event: done")
            };
            connection.read_events(&post("/v1/threads/runs", &body), is_last).await?;
            Result::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    let (received, emitted) = (latencies.len(), (STREAMS * SECONDS * 20) as usize);
    if received != emitted {
        return Err(format!("{received} of {emitted} events were received").into());
    }
    let [p50, p99, max] = quantiles(&mut latencies);
    let store = if with_data_file { "a data file" } else { "memory" };
    println!(
        "\n{STREAMS} concurrent streams with {store}, 20 events per second each, for {SECONDS} s\n"
    );
    println!("{received} events; latency p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.1} ms");
    server.shutdown().await?;
    Ok(())
}

/// Measures the memory of the idle program, if `RUNSTEP_SERVER` is set to its path.
fn measure_idle_memory() -> Result<()> {
    let Ok(program) = std::env::var("RUNSTEP_SERVER") else {
        println!(
            "RUNSTEP_SERVER is not set to the path of the program; idle memory is not measured"
        );
        return Ok(());
    };
    let mut child = std::process::Command::new(program)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    std::thread::sleep(Duration::from_secs(2));
    let memory = resident(&child.id().to_string());
    child.kill()?;
    child.wait()?;
    println!("idle memory of the program: {} KiB", memory?);
    Ok(())
}

/// Returns the resident memory of a process, in KiB.
fn resident(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let amount = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("the process status has no VmRSS")?;
    Ok(amount.parse()?)
}

/// Returns the median, the 99th percentile and the maximum.
fn quantiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (values.len().saturating_sub(1) as f64 * share).round() as usize;
        values.get(index).copied().unwrap_or(f64::NAN)
    };
    [at(0.5), at(0.99), at(1.0)]
}
