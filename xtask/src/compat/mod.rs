//! `cargo xtask compat`: official clients, unmodified, against the server binary.

mod clients;
pub mod outcome;
mod servers;
pub mod table;

use std::path::Path;

use crate::operations::Operations;
use crate::programs;
use clients::Client;
use outcome::Outcome;
use servers::Servers;
use table::Table;

/// Why compatibility could not be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program did not do what it was started for.
    #[error(transparent)]
    Program(#[from] programs::Error),
    /// A script printed something else than what it should report.
    #[error("a line of the scripts' output is no report: {0}")]
    Unreadable(String),
    /// Something does not hold.
    #[error("{0} checks or operations failed or are missing; see above")]
    Failed(usize),
}

/// Builds the server, installs the clients where they are not installed yet, runs the same checks with
/// each, and prints what came of them.
///
/// # Errors
///
/// When something cannot be installed or started, a check fails, or a client did not call an operation.
pub fn run(root: &Path) -> Result<String, Error> {
    let operations = Operations::read(&root.join("openapi/runs.yaml"))?;
    let folder = programs::target_directory(root)?.join("compat");
    let scripts = root.join("xtask/compat");
    let node = folder.join("node");
    let clients = [
        Client::python(&scripts.join("python"), &folder.join("python"))?,
        Client::node(&scripts.join("node"), &node)?,
    ];
    let binary = programs::server_binary(root)?;
    let mut outcomes = Vec::new();
    for client in clients {
        let servers = Servers::start(&binary, &folder, &node)?;
        let printed = client.run(&servers.environment())?;
        outcomes.push(Outcome::read(&printed, &operations)?);
    }
    let table = Table::new(&operations, &outcomes);
    print!("{}", table.text);
    if table.failed > 0 {
        return Err(Error::Failed(table.failed));
    }
    let clients = outcomes.iter().map(|one| format!("{} on {}", one.client, one.runtime));
    let clients = clients.collect::<Vec<_>>().join(" and ");
    Ok(format!("{} passed: {clients} work with this server", table.passed))
}
