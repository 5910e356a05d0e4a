//! `cargo xtask contract`: the server binary against `openapi/runs.yaml`, with requests that
//! schemathesis makes up.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::operations::{Operations, Replies};
use crate::programs::{self, Running, file, succeed};

/// The one key that is let in, so that requests without it can be told apart.
const KEY: &str = "contract-key";

/// Why the server could not be shown to keep to the document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program did not do what it was started for, or schemathesis found something.
    #[error(transparent)]
    Program(#[from] programs::Error),
    /// Nothing was shown of an operation that only refused.
    #[error("no request was answered with success by: {0}")]
    OnlyRefused(String),
}

/// Builds the server, installs schemathesis where it is not installed yet, lets it make up requests to
/// all operations, and prints how many each answered and refused.
///
/// # Errors
///
/// When something cannot be installed or started, a reply is not as the document says, or an operation
/// never answered with success.
pub fn run(root: &Path, examples: u32) -> Result<String, Error> {
    let document = root.join("openapi/runs.yaml");
    let operations = Operations::read(&document)?;
    let folder = programs::target_directory(root)?.join("contract");
    let scripts = root.join("xtask/contract");
    let python = programs::python_with(&folder.join("python"), &scripts.join("requirements.txt"))?;
    let binary = programs::server_binary(root)?;
    let keys = folder.join("keys.txt");
    programs::write_secret(&keys, KEY)?;
    let server = Running::start(
        Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--log-level", "warn", "--api-key-file"])
            .arg(keys),
    )?;
    let replies = folder.join("replies.jsonl");
    fs::write(&replies, "").map_err(file(&replies))?;
    let tested = succeed(
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
            .env("CONTRACT_REPLIES", &replies)
            .env("SCHEMATHESIS_HOOKS", scripts.join("hooks.py"))
            .env("PYTHONPATH", &scripts)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
    let replies = fs::read_to_string(&replies).map_err(file(&replies))?;
    let report = report(&operations, &replies);
    tested?;
    report
}

/// A line for each operation.
fn report(operations: &Operations, told: &str) -> Result<String, Error> {
    let mut replies = Replies::default();
    for reply in told.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        replies.count(operations, &reply);
    }
    println!("{:24}{:>9}{:>9}", "", "answered", "refused");
    for id in operations.ids() {
        let counts = replies.of(id);
        println!("{id:24}{:>9}{:>9}", counts.good, counts.refused);
    }
    let only_refused = operations.ids().filter(|id| replies.of(id).good == 0).collect::<Vec<_>>();
    if only_refused.is_empty() {
        Ok(format!("all {} operations reply as openapi/runs.yaml says", operations.ids().len()))
    } else {
        Err(Error::OnlyRefused(only_refused.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_only_refused_is_an_error() {
        let document = "paths: {/threads: {post: {operationId: createThread}, get: {operationId: listThreads}}}";
        let Some(operations) = Operations::of(document) else {
            unreachable!("the document has operations");
        };
        let made = r#"{"method": "POST", "path": "/threads", "status": 200}"#;
        let refused = r#"{"method": "GET", "path": "/threads", "status": 400}"#;
        let listed = r#"{"method": "GET", "path": "/threads", "status": 200}"#;
        let told = report(&operations, &format!("{made}\n{refused}\n"));
        assert!(matches!(told, Err(Error::OnlyRefused(which)) if which == "listThreads"));
        let told = report(&operations, &format!("{made}\n{refused}\n{listed}\n"));
        assert!(matches!(told, Ok(told) if told.contains("all 2 operations")));
    }
}
