//! What the server can do: runs a second, how long one takes, whether more objects make it slower,
//! and whether many streams are in time. `cargo bench --bench server`, from the folder of this
//! package; with `-- memory`, `throughput`, `streams` or `sizes` only that part. It fails on errors,
//! never on speed.
//!
//! Server and clients share one process and the tokio threads that it has, one for each core.

#[path = "server/connection.rs"]
mod connection;
#[path = "server/model.rs"]
mod model;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use connection::{Connection, get, member, post};
use model::{Instantly, Ticking};
use runstep_benches::Result;
use runstep_server::{RunningServer, Server};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long each line is measured, after a warm-up.
const MEASURED: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo bench` adds a flag of its own.
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    if wanted("memory") {
        idle_memory()?;
    }
    if wanted("throughput") {
        throughput().await?;
    }
    if wanted("streams") {
        streams().await?;
    }
    if wanted("sizes") {
        sizes().await?;
    }
    Ok(())
}

/// One way from creating a run to knowing that it has completed.
#[derive(Clone, Copy)]
enum Way {
    /// One request, whose reply is the events to the end.
    Streamed,
    /// A request that creates it, and retrieves without a pause until it has completed.
    Pollable,
}

/// What a run is made on.
#[derive(Clone)]
enum Place {
    /// A new thread, made with the run.
    NewThread,
    /// This one, with this truncation.
    Thread { id: String, truncation: &'static str },
}

async fn throughput() -> Result<()> {
    println!("\nruns from create to completed, each on a thread made with it\n");
    println!("{:<10} {:>7} {:>8} {:>9} {:>9} {:>9}", "", "clients", "runs/s", "p50", "p99", "max");
    for (name, way) in [("streamed", Way::Streamed), ("polled", Way::Pollable)] {
        for clients in [1, 8] {
            let server = Server::builder().model(Instantly).spawn().await?;
            let assistant = assistant(server.address()).await?;
            let mut times = measure(&server, clients, way, &assistant, &Place::NewThread).await?;
            let [p50, p99, max] = quantiles(&mut times);
            let rate = times.len() as f64 / MEASURED.as_secs_f64();
            println!(
                "{name:<10} {clients:>7} {rate:>8.0} {p50:>6.3} ms {p99:>6.3} ms {max:>6.2} ms"
            );
        }
    }
    Ok(())
}

/// Whether a run costs more when there is more already.
async fn sizes() -> Result<()> {
    println!("\nstreamed runs of one client, by what is there already\n");
    println!("{:<44} {:>9} {:>9} {:>9}", "", "p50", "p99", "max");
    for there in [0, 10_000, 100_000] {
        let server =
            Server::builder().model(Instantly).max_stored_bytes(usize::MAX).spawn().await?;
        let assistant = assistant(server.address()).await?;
        let before = resident("self")?;
        fill_with_runs(&server, &assistant, there).await?;
        // Fewer would hide in what the lines before left to the allocator.
        if there >= 100_000 {
            let each = resident("self")?.saturating_sub(before) as f64 / there as f64;
            println!("{:<44} {each:>6.1} KiB of memory each", format!("{there} threads"));
        }
        show_size(
            format!("{there} threads, each with a run"),
            &server,
            &assistant,
            &Place::NewThread,
        )
        .await?;
    }
    for there in [10, 1_000, 100_000] {
        for truncation in ["last_messages", "auto"] {
            let server =
                Server::builder().model(Instantly).max_stored_bytes(usize::MAX).spawn().await?;
            let assistant = assistant(server.address()).await?;
            let place = Place::Thread { id: thread_of(server.address(), there).await?, truncation };
            let name = format!("{there} messages on its thread, {truncation}");
            show_size(name, &server, &assistant, &place).await?;
        }
    }
    Ok(())
}

async fn show_size(
    name: String,
    server: &RunningServer,
    assistant: &str,
    place: &Place,
) -> Result<()> {
    let mut times = measure(server, 1, Way::Streamed, assistant, place).await?;
    let [p50, p99, max] = quantiles(&mut times);
    println!("{name:<44} {p50:>6.3} ms {p99:>6.3} ms {max:>6.2} ms");
    Ok(())
}

/// Times of runs, in milliseconds.
async fn measure(
    server: &RunningServer,
    clients: usize,
    way: Way,
    assistant: &str,
    place: &Place,
) -> Result<Vec<f64>> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + MEASURED;
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (address, assistant, place) = (server.address(), assistant.to_owned(), place.clone());
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut times = Vec::new();
            loop {
                let started = Instant::now();
                if started >= end {
                    return Result::Ok(times);
                }
                run(&mut connection, way, &assistant, &place).await?;
                if started >= begin {
                    times.push(started.elapsed().as_secs_f64() * 1e3);
                }
            }
        });
    }
    let mut times = Vec::new();
    while let Some(task) = tasks.join_next().await {
        times.extend(task??);
    }
    Ok(times)
}

async fn run(connection: &mut Connection, way: Way, assistant: &str, place: &Place) -> Result<()> {
    let stream = matches!(way, Way::Streamed);
    let (path, more) = match place {
        Place::NewThread => {
            let messages = r#"[{"role":"user","content":"How is the weather in Paris today?"}]"#;
            ("/v1/threads/runs".to_owned(), format!(r#","thread":{{"messages":{messages}}}"#))
        }
        Place::Thread { id, truncation } => {
            let last = if *truncation == "auto" { "" } else { r#","last_messages":5"# };
            let strategy = format!(r#","truncation_strategy":{{"type":"{truncation}"{last}}}"#);
            (format!("/v1/threads/{id}/runs"), strategy)
        }
    };
    let body = format!(r#"{{"assistant_id":"{assistant}","stream":{stream}{more}}}"#);
    let reply = connection.call(&post(&path, &body)).await?;
    match way {
        Way::Streamed if reply.contains("event: thread.run.completed\n") => Ok(()),
        Way::Streamed => Err(format!("the run did not complete: {reply}").into()),
        Way::Pollable => {
            let (run, thread) = (member(reply, "id")?, member(reply, "thread_id")?);
            let poll = get(&format!("/v1/threads/{thread}/runs/{run}"));
            while !connection.call(&poll).await?.contains(r#""status":"completed""#) {}
            Ok(())
        }
    }
}

async fn assistant(address: SocketAddr) -> Result<String> {
    let mut connection = Connection::open(address).await?;
    let body = r#"{"model":"instant","instructions":"You tell the weather."}"#;
    Ok(member(connection.call(&post("/v1/assistants", body)).await?, "id")?.to_owned())
}

async fn fill_with_runs(server: &RunningServer, assistant: &str, count: usize) -> Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (address, assistant) = (server.address(), assistant.to_owned());
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for _ in 0..count / 8 {
                run(&mut connection, Way::Streamed, &assistant, &Place::NewThread).await?;
            }
            Result::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

/// A thread with so many messages of forty characters.
async fn thread_of(address: SocketAddr, messages: usize) -> Result<String> {
    let mut connection = Connection::open(address).await?;
    let thread = connection.call(&post("/v1/threads", "{}")).await?;
    let id = member(thread, "id")?.to_owned();
    let body = r#"{"role":"user","content":"How is the weather in Paris today, then?"}"#;
    let message = post(&format!("/v1/threads/{id}/messages"), body);
    for _ in 0..messages {
        connection.call(&message).await?;
    }
    Ok(id)
}

/// A thousand streams, each with twenty events a second.
async fn streams() -> Result<()> {
    const STREAMS: u32 = 1000;
    const SECONDS: u32 = 10;
    let every = Duration::from_millis(50);
    let epoch = Instant::now();
    let model = Ticking { epoch, every, count: SECONDS * 20 };
    let server = Server::builder().model(model).spawn().await?;
    let assistant = Arc::new(assistant(server.address()).await?);
    let mut tasks = JoinSet::new();
    for number in 0..STREAMS {
        let (address, assistant) = (server.address(), Arc::clone(&assistant));
        tasks.spawn(async move {
            // They do not begin all at once.
            tokio::time::sleep(every * number / STREAMS).await;
            let mut connection = Connection::open(address).await?;
            let body = format!(r#"{{"assistant_id":"{assistant}","stream":true}}"#);
            let mut late = Vec::new();
            let hear = |bytes: &[u8]| {
                let now = epoch.elapsed().as_micros() as f64;
                let text = String::from_utf8_lossy(bytes);
                for delta in text.split("event: thread.message.delta").skip(1) {
                    let due = delta.split_once("\"due ").and_then(|(_, rest)| rest.split_once(' '));
                    if let Some(due) = due.and_then(|(due, _)| due.parse::<f64>().ok()) {
                        late.push((now - due) / 1e3);
                    }
                }
                text.contains("event: done")
            };
            connection.listen(&post("/v1/threads/runs", &body), hear).await?;
            Result::Ok(late)
        });
    }
    let mut late = Vec::new();
    while let Some(task) = tasks.join_next().await {
        late.extend(task??);
    }
    let (heard, told) = (late.len(), (STREAMS * SECONDS * 20) as usize);
    if heard != told {
        return Err(format!("{heard} of {told} events were heard").into());
    }
    let [p50, p99, max] = quantiles(&mut late);
    println!("\n{STREAMS} streams at once, 20 events a second each, for {SECONDS} s\n");
    println!("{heard} events; late by p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.1} ms");
    server.shutdown().await?;
    Ok(())
}

/// What the program takes when it has nothing to do, if `RUNSTEP_SERVER` says where it is.
fn idle_memory() -> Result<()> {
    let Ok(program) = std::env::var("RUNSTEP_SERVER") else {
        println!("RUNSTEP_SERVER does not name the program: its idle memory is not measured");
        return Ok(());
    };
    let mut child = std::process::Command::new(program)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    std::thread::sleep(Duration::from_secs(2));
    let taken = resident(&child.id().to_string());
    child.kill()?;
    child.wait()?;
    println!("idle memory of the program: {} KiB", taken?);
    Ok(())
}

/// How much memory a process takes, in KiB.
fn resident(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let amount = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
    Ok(amount.parse()?)
}

/// The middle, what one in a hundred exceeds, and the most.
fn quantiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (values.len().saturating_sub(1) as f64 * share).round() as usize;
        values.get(place).copied().unwrap_or(f64::NAN)
    };
    [at(0.5), at(0.99), at(1.0)]
}
