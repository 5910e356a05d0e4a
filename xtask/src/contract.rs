//! `cargo xtask contract`: tests the server binary against `openapi/runs.yaml`, with requests that
//! schemathesis generates.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::operations::{Operations, Responses};
use crate::programs::{self, RunningServer, file, succeed};

/// The only valid key. Requests without it are expected to fail.
const KEY: &str = "contract-key";

/// A failure of the contract gate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program failed, or schemathesis found a violation.
    #[error(transparent)]
    Program(#[from] programs::Error),
    /// All responses of an operation are errors, so its success responses are untested.
    #[error("no success response from: {0}")]
    OnlyErrors(String),
}

/// Builds the server, installs schemathesis if needed, sends generated requests to all operations,
/// and prints the number of successes and errors of each.
///
/// # Errors
///
/// Returns an error if a program fails, a response violates the document, or an operation has no
/// success response.
pub fn run(root: &Path, examples: u32) -> Result<String, Error> {
    let document = root.join("openapi/runs.yaml");
    let operations = Operations::read(&document)?;
    let folder = programs::target_directory(root)?.join("contract");
    let scripts = root.join("xtask/contract");
    let python = programs::python_with(&folder.join("python"), &scripts.join("requirements.txt"))?;
    let binary = programs::server_binary(root)?;
    let keys = folder.join("keys.txt");
    programs::write_secret(&keys, KEY)?;
    let server = RunningServer::start(
        Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--log-level", "warn", "--api-key-file"])
            .arg(keys),
    )?;
    let log = folder.join("responses.jsonl");
    fs::write(&log, "").map_err(file(&log))?;
    let result = succeed(
        Command::new(python.with_file_name("schemathesis"))
            .arg("--config-file")
            .arg(scripts.join("schemathesis.toml"))
            .arg("run")
            .arg(document)
            .args(["--url", &server.url, "--max-examples", &examples.to_string()])
            .args(["--header", &format!("Authorization: Bearer {KEY}")])
            .current_dir(&folder)
            .env("CONTRACT_BASE_URL", &server.url)
            .env("CONTRACT_API_KEY", KEY)
            .env("CONTRACT_RESPONSES", &log)
            .env("SCHEMATHESIS_HOOKS", scripts.join("hooks.py"))
            .env("PYTHONPATH", &scripts)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
    let log = fs::read_to_string(&log).map_err(file(&log))?;
    let report = report(&operations, &log);
    result?;
    report
}

/// Prints a line for each operation.
fn report(operations: &Operations, log: &str) -> Result<String, Error> {
    let mut responses = Responses::default();
    for response in log.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        responses.count(operations, &response);
    }
    println!("{:24}{:>11}{:>9}", "", "successes", "errors");
    for id in operations.ids() {
        let counts = responses.of(id);
        println!("{id:24}{:>11}{:>9}", counts.successes, counts.errors);
    }
    let only_errors =
        operations.ids().filter(|id| responses.of(id).successes == 0).collect::<Vec<_>>();
    if only_errors.is_empty() {
        Ok(format!("all {} operations conform to openapi/runs.yaml", operations.ids().len()))
    } else {
        Err(Error::OnlyErrors(only_errors.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_without_success_response_is_an_error() {
        let document = "paths: {/threads: {post: {operationId: createThread}, get: {operationId: listThreads}}}";
        let Some(operations) = Operations::parse(document) else {
            unreachable!("the document has operations");
        };
        let created = r#"{"method": "POST", "path": "/threads", "status": 200}"#;
        let rejected = r#"{"method": "GET", "path": "/threads", "status": 400}"#;
        let listed = r#"{"method": "GET", "path": "/threads", "status": 200}"#;
        let result = report(&operations, &format!("{created}\n{rejected}\n"));
        assert!(matches!(result, Err(Error::OnlyErrors(ids)) if ids == "listThreads"));
        let result = report(&operations, &format!("{created}\n{rejected}\n{listed}\n"));
        assert!(matches!(result, Ok(message) if message.contains("all 2 operations")));
    }
}
