//! The durable store: throughput and latency of runs, commits, and pages of long lists.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use runstep_benches::Result;
use runstep_server::model::Offline;
use runstep_server::{Durability, RunningServer, Server};

use crate::connection::{Connection, get, string_property};
use crate::model::InstantModel;
use crate::{
    MEASUREMENT, Mode, Target, create_assistant, fill_with_runs, measure_runs, quantiles, resident,
};

/// A directory that is removed on drop.
pub(crate) struct Directory(std::path::PathBuf);

impl Directory {
    pub(crate) fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("runstep-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // The directory may contain files of a server that still ends.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Compares the stores, and the durable one with the bound that the disk sets.
pub(crate) async fn measure() -> Result<()> {
    let directory = Directory::new()?;
    let syncs = syncs_per_second(directory.path())?;
    println!("\nstreamed runs from creation to completion, each on a new thread; the bare disk");
    println!("syncs {syncs:.0} times a second\n");
    println!(
        "{:<8} {:>7} {:>8} {:>9} {:>9} {:>10} {:>10} {:>7} {:>10}",
        "store", "clients", "runs/s", "p50", "p99", "commits/s", "tx/commit", "tx/run", "CPU/run"
    );
    for clients in [1, 8, 256] {
        for store in ["memory", "sqlite"] {
            let file = directory.path().join(format!("{store}-{clients}.db"));
            let builder = Server::builder().model(InstantModel).max_stored_bytes(usize::MAX);
            let server = match store {
                "memory" => builder.spawn().await?,
                _ => builder.data_file(file).spawn().await?,
            };
            let assistant = create_assistant(server.address()).await?;
            let before = Commits::read(&server).await?;
            let (started, cpu) = (Instant::now(), cpu_seconds()?);
            let mut durations =
                measure_runs(&server, clients, Mode::Streamed, &assistant, &Target::NewThread)
                    .await?;
            let (elapsed, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
            let commits = Commits::read(&server).await?.since(&before);
            let [p50, p99, _] = quantiles(&mut durations);
            let rate = durations.len() as f64 / MEASUREMENT.as_secs_f64();
            println!(
                "{store:<8} {clients:>7} {rate:>8.0} {p50:>6.2} ms {p99:>6.2} ms {:>10.0} {:>10.1} \
                 {:>7.2} {:>7.0} µs",
                commits.commits / elapsed,
                commits.transactions / commits.commits.max(1.0),
                commits.transactions / commits.runs.max(1.0),
                cpu * 1e6 / commits.runs.max(1.0)
            );
            if store == "sqlite" {
                print_aim(clients, rate, p50, syncs);
            }
            server.shutdown().await?;
        }
    }
    println!("\nthe bare disk now syncs {:.0} times a second", syncs_per_second(directory.path())?);
    Ok(())
}

/// Returns the CPU time of the process, clients included, which other load affects less than rates.
pub(crate) fn cpu_seconds() -> Result<f64> {
    // Times are in hundredths of a second, after the name of the process in parentheses.
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("the process has no name")?;
    let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    let seconds = times.sum::<std::result::Result<f64, _>>()? / 100.0;
    Ok(seconds)
}

/// Compares a result with its aim.
fn print_aim(clients: usize, rate: f64, p50: f64, syncs: f64) {
    match clients {
        1 => println!("         p50 is {:.2} syncs; aim: at most 3", p50 * syncs / 1e3),
        8 => {
            let bound = 8.0 * syncs / 3.0;
            let share = rate / bound * 100.0;
            println!("         {share:.0} % of 8 x syncs / 3 = {bound:.0}; aim: at least 80 %");
        }
        _ => println!("         aim: at least 5000 runs/s"),
    }
}

/// Measures memory over many runs, and pages of a list of many.
pub(crate) async fn measure_soak(runs: usize) -> Result<()> {
    let directory = Directory::new()?;
    let builder = Server::builder().model(InstantModel);
    let server = builder
        .data_file(directory.path().join("soak.db"))
        .durability(Durability::Normal)
        .spawn()
        .await?;
    let assistant = create_assistant(server.address()).await?;
    println!("\nresident memory of server and clients over {runs} runs with a data file\n");
    let mut steps = Vec::new();
    for step in 1..=10 {
        fill_with_runs(&server, &assistant, runs / 10).await?;
        let kib = resident("self")?;
        println!("{:>8} runs {kib:>8} KiB", step * runs / 10);
        steps.push(kib as f64);
    }
    if let [first, .., last] = steps[..] {
        let growth = (last / first - 1.0) * 100.0;
        println!(
            "growth {growth:.1} %; aim: at most 10 %, below 150 MB ({:.0} KiB)",
            150e6 / 1024.0
        );
    }
    server.shutdown().await?;
    Ok(())
}

/// Counts of the server's metrics.
struct Commits {
    commits: f64,
    transactions: f64,
    runs: f64,
}

impl Commits {
    async fn read(server: &RunningServer) -> Result<Self> {
        let mut connection = Connection::open(server.address()).await?;
        let text = connection.call(&get("/metrics")).await?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
        };
        Ok(Self {
            commits: value("runstep_commit_transactions_count "),
            transactions: value("runstep_commit_transactions_sum "),
            runs: value("runstep_runs_ended_total{status=\"completed\"} "),
        })
    }

    fn since(self, before: &Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            transactions: self.transactions - before.transactions,
            runs: self.runs - before.runs,
        }
    }
}

/// Measures how many pages a second can be written and synced to the disk, one at a time.
fn syncs_per_second(directory: &Path) -> Result<f64> {
    let mut file = File::create(directory.join("syncs"))?;
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < Duration::from_secs(2) {
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

/// Measures a page of the runs of a thread, by their number.
pub(crate) async fn measure_pages() -> Result<()> {
    let directory = Directory::new()?;
    println!("\na page of 20 runs, by the number of runs on the thread\n");
    let mut medians = Vec::new();
    for count in [100, 100_000] {
        let file = directory.path().join(format!("pages-{count}.db"));
        let builder = Server::builder().model(InstantModel).durability(Durability::Normal);
        let server = builder.data_file(file).spawn().await?;
        let assistant = create_assistant(server.address()).await?;
        let mut connection = Connection::open(server.address()).await?;
        let thread = connection.call(&crate::connection::post("/v1/threads", "{}")).await?;
        let id = string_property(thread, "id")?.to_owned();
        let target = Target::Thread { id: id.clone(), truncation: "last_messages" };
        for _ in 0..count {
            crate::run(&mut connection, Mode::Streamed, &assistant, &target).await?;
        }
        let page = get(&format!("/v1/threads/{id}/runs"));
        let mut durations = Vec::new();
        for _ in 0..2000 {
            let started = Instant::now();
            connection.call(&page).await?;
            durations.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let [p50, p99, _] = quantiles(&mut durations);
        println!("{count:>8} runs: p50 {p50:.3} ms, p99 {p99:.3} ms");
        medians.push(p50);
        server.shutdown().await?;
    }
    if let [few, many] = medians[..] {
        println!("ratio {:.2}; aim: at most 1.5", many / few);
    }
    Ok(())
}

/// The number of runs of a thread whose cost is compared, and how many of the first and the last
/// are measured.
const THREAD_RUNS: usize = 20_000;
const SAMPLE: usize = 200;

/// Compares the first runs of a thread with the last of many, each with a new message: with a model that
/// ignores the conversation, and with the one of the program.
pub(crate) async fn measure_thread_growth() -> Result<()> {
    let directory = Directory::new()?;
    println!("\nruns of one thread: the first {SAMPLE}, and those up to number {THREAD_RUNS}\n");
    println!("{:<8} {:<8} {:>10} {:>10} {:>7}", "store", "model", "first", "last", "ratio");
    let combinations = ["memory", "sqlite"].map(|store| [(store, "instant"), (store, "offline")]);
    for (store, model) in combinations.into_iter().flatten() {
        let builder = Server::builder().max_stored_bytes(usize::MAX);
        let builder = match model {
            "instant" => builder.model(InstantModel),
            _ => builder.model(Offline::new()),
        };
        let server = match store {
            "memory" => builder.spawn().await?,
            _ => builder.data_file(directory.path().join(model)).spawn().await?,
        };
        let assistant = create_assistant(server.address()).await?;
        let mut connection = Connection::open(server.address()).await?;
        let thread = connection.call(&crate::connection::post("/v1/threads", "{}")).await?;
        let target =
            Target::Thread { id: string_property(thread, "id")?.to_owned(), truncation: "auto" };
        let mut durations = Vec::with_capacity(THREAD_RUNS);
        for _ in 0..THREAD_RUNS {
            let started = Instant::now();
            crate::run(&mut connection, Mode::Streamed, &assistant, &target).await?;
            durations.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let mut last = durations.split_off(THREAD_RUNS - SAMPLE);
        durations.truncate(SAMPLE);
        let ([first, ..], [last, ..]) = (quantiles(&mut durations), quantiles(&mut last));
        println!("{store:<8} {model:<8} {first:>7.3} ms {last:>7.3} ms {:>7.2}", last / first);
        server.shutdown().await?;
    }
    Ok(())
}
