//! `cargo xtask compat`: runs the official clients, unmodified, against the server binary.

mod clients;
pub mod report;
mod servers;
pub mod table;

use std::path::Path;

use crate::operations::Operations;
use crate::programs::{self, Error};
use clients::Client;
use report::Report;
use servers::Servers;
use table::Table;

/// Builds the server, installs the clients if needed, runs the same checks with each, and prints
/// the results.
///
/// # Errors
///
/// Returns an error if a program fails, a check fails, or a client does not call an operation.
pub fn run(root: &Path) -> Result<String, Error> {
    check(root, None)
}

/// Does the same with a server at this URL in the place of the one with default settings.
pub(crate) fn run_on(root: &Path, url: &str) -> Result<String, Error> {
    check(root, Some(url))
}

fn check(root: &Path, url: Option<&str>) -> Result<String, Error> {
    let operations = Operations::read(&root.join("openapi/runs.yaml"))?;
    let folder = programs::target_directory(root)?.join("compat");
    let scripts = root.join("xtask/compat");
    let node = folder.join("node");
    let clients = [
        Client::python(&scripts.join("python"), &folder.join("python"))?,
        Client::node(&scripts.join("node"), &node)?,
    ];
    let binary = programs::server_binary(root)?;
    let mut reports = Vec::new();
    for client in clients {
        let servers = Servers::start(&binary, &folder, &node, url)?;
        let output = client.run(&servers.environment())?;
        reports.push(Report::parse(&output, &operations)?);
    }
    let table = Table::new(&operations, &reports);
    print!("{}", table.text);
    if table.failed > 0 {
        return Err(Error::ChecksFailed(table.failed));
    }
    let clients = reports.iter().map(|report| format!("{} on {}", report.client, report.runtime));
    let clients = clients.collect::<Vec<_>>().join(" and ");
    Ok(format!("{} checks passed: {clients} work with this server", table.passed))
}
