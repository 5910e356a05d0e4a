//! Rounds with several nodes on one database: in each, something fails while clients use the nodes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::client::Client;
use super::worker::Worker;
use super::{Error, Report, join, workers};
use crate::cluster::postgres::Postgres;
use crate::cluster::{LEASE_SECONDS, start_node};
use crate::programs::{RunningServer, server_binary, target_directory};

const NODES: usize = 3;
/// Something fails after a random time up to this, and clients go on for as long.
const MAX_UPTIME: Duration = Duration::from_millis(300);

/// What fails in a round.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A node is killed.
    Kill,
    /// The database is killed and started again.
    Database,
    /// A node does not run until its lease has ended.
    Pause,
}

impl Fault {
    fn random(rng: &mut Rng) -> Self {
        match rng.u8(..20) {
            0..14 => Self::Kill,
            14..18 => Self::Database,
            _ => Self::Pause,
        }
    }
}

/// Runs rounds until one finds a broken promise, for at most `limit`.
pub(super) fn run(root: &Path, rounds: u32, seed: u64, limit: Duration) -> Result<Report, Error> {
    let binary = server_binary(root)?;
    let mut database = Postgres::start(root, &target_directory(root)?.join("cluster"))?;
    let url = database.url();
    let mut nodes =
        (0..NODES).map(|_| start_node(&binary, &url, &[])).collect::<Result<Vec<_>, _>>()?;
    let mut rng = Rng::with_seed(seed);
    let mut workers = workers(&mut rng);
    let mut report = Report::default();
    let started = Instant::now();
    let mut round = 0;
    while round < rounds && started.elapsed() < limit {
        round += 1;
        let broken = |message| Error::Broken { round, seed, message };
        let client = client(&nodes);
        let is_stopped = AtomicBool::new(false);
        let mut uptime = || Duration::from_millis(rng.u64(1..=MAX_UPTIME.as_millis() as u64));
        let (before, after) = (uptime(), uptime());
        let fault = Fault::random(&mut rng);
        let node = rng.usize(..NODES);
        let results = thread::scope(|scope| {
            let handles: Vec<_> = workers
                .iter_mut()
                .map(|worker| scope.spawn(|| worker.work(&client, &is_stopped)))
                .collect();
            thread::sleep(before);
            let failed = fail(fault, node, &binary, &mut nodes, &mut database, &mut report);
            thread::sleep(after);
            is_stopped.store(true, Ordering::Relaxed);
            failed.map(|()| join(handles))
        })?;
        results.map_err(broken)?;
        let client = self::client(&nodes);
        verify(&mut workers, &client).map_err(broken)?;
    }
    let client = client(&nodes);
    for worker in &mut workers {
        worker.verify_all(&client).map_err(|message| Error::Broken { round, seed, message })?;
        report.add(worker.report());
    }
    report.rounds = round;
    Ok(report)
}

fn client(nodes: &[RunningServer]) -> Client {
    Client::new(nodes.iter().map(|node| node.url.clone()).collect())
}

/// Makes something fail. All nodes and the database run again afterwards.
fn fail(
    fault: Fault,
    index: usize,
    binary: &Path,
    nodes: &mut [RunningServer],
    database: &mut Postgres,
    report: &mut Report,
) -> Result<(), Error> {
    let Some(node) = nodes.get_mut(index) else { return Ok(()) };
    match fault {
        Fault::Kill => {
            node.signal("KILL")?;
            *node = start_node(binary, &database.url(), &[])?;
            report.kills += 1;
        }
        Fault::Database => {
            database.restart()?;
            report.restarts += 1;
        }
        Fault::Pause => {
            node.signal("STOP")?;
            thread::sleep(Duration::from_secs(LEASE_SECONDS) * 3 / 2);
            node.signal("CONT")?;
            report.pauses += 1;
        }
    }
    Ok(())
}

/// Checks what the nodes have, all clients at the same time.
fn verify(workers: &mut [Worker], client: &Client) -> Result<(), String> {
    thread::scope(|scope| {
        let handles =
            workers.iter_mut().map(|worker| scope.spawn(|| worker.verify(client))).collect();
        join(handles)
    })
}
