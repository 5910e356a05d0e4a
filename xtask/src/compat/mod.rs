//! `cargo xtask compat`: runs the official clients and foreign ones, unmodified, against the server
//! binary.

mod clients;
pub mod foreign;
pub mod report;
pub mod results;
pub(crate) mod servers;
pub mod table;

use std::path::{Path, PathBuf};

use crate::operations::Operations;
use crate::programs::{self, Error};
use clients::Client;
use foreign::{CLIENTS, Folders};
use report::Report;
use results::{ClientResult, Results};
use servers::Servers;
use table::Table;

/// Builds the server, installs the clients if needed, runs the same checks with each official client
/// and a program with each foreign one, prints the results, and compares them with the recorded ones.
/// With `all`, runs all foreign clients, and records the results.
///
/// # Errors
///
/// Returns an error if a program fails, a check fails, an official client does not call an operation,
/// or the record is not up to date.
pub fn run(root: &Path, all: bool) -> Result<String, Error> {
    let gate = Gate::new(root)?;
    let (reports, mut table) = gate.official(None)?;
    let folders = Folders { root, scripts: &gate.scripts, target: &gate.folder };
    let clients = CLIENTS.iter().filter(|client| all || client.is_fast);
    let foreign = foreign::run(&folders, &gate.binary, clients)?;
    table.add_foreign(foreign.iter().map(|(_, report)| report));
    let message = conclude(&table, &reports)?;
    let results = Results {
        official: reports.iter().map(ClientResult::new).collect(),
        foreign: foreign
            .iter()
            .map(|(client, report)| (client.folder.to_owned(), ClientResult::new(report)))
            .collect(),
    };
    let (record, guide) =
        (root.join("xtask/compat/results.json"), root.join("docs/compatibility.md"));
    if all {
        results.write(&record, &guide, &gate.operations)?;
    } else {
        Results::read(&record)?.check(&results, &guide, &gate.operations)?;
    }
    Ok(message)
}

/// Runs the official clients with a server at this URL in the place of the one with default settings.
pub(crate) fn run_on(root: &Path, url: &str) -> Result<String, Error> {
    let (reports, table) = Gate::new(root)?.official(Some(url))?;
    conclude(&table, &reports)
}

fn conclude(table: &Table, reports: &[Report]) -> Result<String, Error> {
    print!("{}", table.text);
    if table.failed > 0 {
        return Err(Error::ChecksFailed(table.failed));
    }
    let clients = reports.iter().map(|report| format!("{} on {}", report.client, report.runtime));
    let clients = clients.collect::<Vec<_>>().join(" and ");
    Ok(format!("{} checks passed: {clients} work with this server", table.passed))
}

/// What all clients need.
struct Gate<'a> {
    root: &'a Path,
    operations: Operations,
    scripts: PathBuf,
    folder: PathBuf,
    binary: PathBuf,
}

impl<'a> Gate<'a> {
    fn new(root: &'a Path) -> Result<Self, Error> {
        Ok(Self {
            root,
            operations: Operations::read(&root.join("openapi/runs.yaml"))?,
            scripts: root.join("xtask/compat"),
            folder: programs::target_directory(root)?.join("compat"),
            binary: programs::server_binary(root)?,
        })
    }

    /// Installs and runs the official clients.
    fn official(&self, url: Option<&str>) -> Result<(Vec<Report>, Table), Error> {
        let node = self.folder.join("node");
        let clients = [
            Client::python(&self.scripts.join("python"), &self.folder.join("python"))?,
            Client::node(&self.scripts.join("node"), &node)?,
        ];
        let mut reports = Vec::new();
        for client in clients {
            let servers = Servers::start(self.root, &self.binary, &self.folder, &node, url)?;
            let output = client.run(&servers.environment())?;
            reports.push(Report::parse(&output, &self.operations)?);
        }
        let table = Table::new(&self.operations, &reports);
        Ok((reports, table))
    }
}
