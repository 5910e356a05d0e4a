//! `cargo xtask crash`: clients use the server, which is killed at random moments and started again
//! on the same data file, or several nodes, of which one or the database fails. Everything that was
//! acknowledged must be there, every run must end or wait for tool outputs, and a client that resumes
//! a stream must receive each event once.

pub(crate) mod client;
mod events;
pub(crate) mod nodes;
mod report;
mod verify;
mod worker;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tempfile::TempDir;

use crate::programs::{Error as ProgramError, RunningServer, file, server_binary};
use client::Client;
pub use report::Report;
use worker::Worker;

/// How many clients use the server at the same time.
const CLIENTS: usize = 6;
/// The server is killed after a random time up to this.
const MAX_UPTIME: Duration = Duration::from_millis(200);

/// The reason why the test fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be built or started.
    #[error("{0}")]
    Program(#[from] ProgramError),
    /// A promise is broken.
    #[error("round {round}, seed {seed}: {message}")]
    Broken {
        /// The round, from 1.
        round: u32,
        /// The seed of the random numbers.
        seed: u64,
        /// What is wrong.
        message: String,
    },
}

/// What is wrong with the server's data.
pub(crate) type Broken = String;

/// Where the servers under test keep their data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum StoreKind {
    /// One server, and a data file.
    #[default]
    Sqlite,
    /// Three nodes, and a Postgres database.
    Postgres,
}

/// Runs rounds until one finds a broken promise, for at most `limit`.
///
/// # Errors
///
/// Returns an error if a server cannot be started, or if a promise is broken.
pub fn run(
    root: &Path,
    store: StoreKind,
    rounds: u32,
    seed: u64,
    limit: Duration,
) -> Result<Report, Error> {
    match store {
        StoreKind::Sqlite => run_file(root, rounds, seed, limit),
        StoreKind::Postgres => nodes::run(root, rounds, seed, limit),
    }
}

fn run_file(root: &Path, rounds: u32, seed: u64, limit: Duration) -> Result<Report, Error> {
    let binary = server_binary(root)?;
    let directory = TempDir::new().map_err(file(Path::new("data")))?;
    let data = directory.path().join("runstep.db");
    let start = || {
        let mut command = Command::new(&binary);
        command.args(["--listen", "127.0.0.1:0", "--log-level", "error"]);
        command.stderr(Stdio::inherit());
        RunningServer::start_with_data(&mut command, &data)
    };
    let mut rng = Rng::with_seed(seed);
    let mut workers = workers(&mut rng);
    let mut report = Report::default();
    let started = Instant::now();
    let mut round = 0;
    while round < rounds && started.elapsed() < limit {
        round += 1;
        let broken = |message| Error::Broken { round, seed, message };
        let server = start()?;
        let client = Client::new(vec![server.url.clone()]);
        let is_stopped = AtomicBool::new(false);
        let uptime = Duration::from_millis(rng.u64(1..=MAX_UPTIME.as_millis() as u64));
        thread::scope(|scope| {
            let handles: Vec<_> = workers
                .iter_mut()
                .map(|worker| scope.spawn(|| worker.work(&client, &is_stopped)))
                .collect();
            thread::sleep(uptime);
            is_stopped.store(true, Ordering::Relaxed);
            drop(server);
            report.kills += 1;
            join(handles)
        })
        .map_err(broken)?;

        let server = start()?;
        let client = Client::new(vec![server.url.clone()]);
        thread::scope(|scope| {
            let handles =
                workers.iter_mut().map(|worker| scope.spawn(|| worker.verify(&client))).collect();
            join(handles)
        })
        .map_err(broken)?;
        report.kills += 1;
    }
    let server = start()?;
    let client = Client::new(vec![server.url.clone()]);
    for worker in &mut workers {
        worker.verify_all(&client).map_err(|message| Error::Broken { round, seed, message })?;
        report.add(worker.report());
    }
    report.rounds = round;
    Ok(report)
}

fn workers(rng: &mut Rng) -> Vec<Worker> {
    (0..CLIENTS).map(|index| Worker::new(index, Rng::with_seed(rng.u64(..)))).collect()
}

/// Waits for all clients. Returns the first broken promise.
fn join(handles: Vec<ScopedJoinHandle<'_, Result<(), Broken>>>) -> Result<(), Broken> {
    let results = handles.into_iter().map(|handle| match handle.join() {
        Ok(result) => result,
        Err(_) => Err("a client panicked".to_owned()),
    });
    // Also waits for the others if one has failed.
    let results: Vec<_> = results.collect();
    results.into_iter().collect()
}
