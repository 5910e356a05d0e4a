//! `cargo xtask cluster`: several nodes on a private Postgres database.

mod balancer;
mod latency;
pub(crate) mod postgres;
mod provider;
mod speed;

use std::path::Path;
use std::process::{Command, Stdio};

use crate::compat;
use crate::programs::{Error, RunningServer, file, server_binary, succeed, target_directory};
use balancer::Balancer;
use postgres::Postgres;

const NODES: usize = 3;
/// How long the claims of a node are valid, in seconds.
pub(crate) const LEASE_SECONDS: u64 = 2;

/// Starts a private database and nodes, and runs the gate on them: the tests of the store, the
/// official clients with each request to another node, and the times between nodes.
///
/// # Errors
///
/// Returns an error if a program fails, a test fails, or something takes too long.
pub fn run(root: &Path) -> Result<String, Error> {
    let database = Postgres::start(root, &target_directory(root)?.join("cluster"))?;
    test(root, &database.url())?;
    let binary = server_binary(root)?;
    let nodes = start_nodes(&binary, &database.tls_url(), NODES)?;
    let urls: Vec<String> = nodes.iter().map(|node| node.url.clone()).collect();
    let balancer = Balancer::start(&urls).map_err(file(Path::new("proxy")))?;
    let clients = compat::run_on(root, &balancer.url)?;
    let times = latency::measure(&binary, &database.url())?;
    Ok(format!("{clients}, over {NODES} nodes in turn ({} requests)\n{times}", balancer.requests()))
}

/// Measures the speed of one, two and three nodes, with release builds.
///
/// # Errors
///
/// Returns an error if a program or a request fails.
pub fn speed(root: &Path) -> Result<String, Error> {
    speed::measure(root)
}

/// Starts a private database, nodes and a proxy, prints their addresses, and waits until it is
/// interrupted.
///
/// # Errors
///
/// Returns an error if a program cannot be started.
pub fn serve(root: &Path, count: usize) -> Result<String, Error> {
    let database = Postgres::start(root, &target_directory(root)?.join("cluster"))?;
    let nodes = start_nodes(&server_binary(root)?, &database.url(), count.max(1))?;
    let urls: Vec<String> = nodes.iter().map(|node| node.url.clone()).collect();
    let balancer = Balancer::start(&urls).map_err(file(Path::new("proxy")))?;
    println!("database {}", database.url());
    for url in &urls {
        println!("node {url}");
    }
    println!("proxy {}", balancer.url);
    loop {
        std::thread::park();
    }
}

/// Starts a node with a short lease.
pub(crate) fn start_node(
    binary: &Path,
    database: &str,
    options: &[&str],
) -> Result<RunningServer, Error> {
    let mut command = Command::new(binary);
    command.args(["--listen", "127.0.0.1:0", "--log-level", "off"]);
    command.args(["--lease", &format!("{LEASE_SECONDS}s"), "--poll-after-milliseconds", "10"]);
    command.args(options).stderr(Stdio::inherit());
    RunningServer::start_with_data(&mut command, Path::new(database))
}

fn start_nodes(binary: &Path, database: &str, count: usize) -> Result<Vec<RunningServer>, Error> {
    // All at once: one of them migrates the database.
    let starts: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..count).map(|_| scope.spawn(|| start_node(binary, database, &[]))).collect();
        starts.into_iter().filter_map(|start| start.join().ok()).collect()
    });
    starts.into_iter().collect()
}

/// Runs the tests that need a database.
fn test(root: &Path, database: &str) -> Result<(), Error> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["test", "--quiet", "-p", "runstep-server", "--lib"];
    succeed(
        Command::new(program)
            .current_dir(root)
            .args(arguments)
            .args(["--", "--ignored", "postgres"])
            .env("RUNSTEP_TEST_POSTGRES", database),
    )
}
