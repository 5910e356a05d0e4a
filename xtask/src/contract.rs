//! `cargo xtask contract`: tests the server binary against the documents in `openapi`, with requests
//! that schemathesis generates.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::compat::servers::start_provider;
use crate::operations::{Operations, Responses};
use crate::programs::{self, Error, RunningServer, file, succeed};

/// The only valid key. Requests without it are expected to fail.
const KEY: &str = "contract-key";

/// A document, and how the server is tested against it.
struct Contract {
    /// The document, in `openapi`.
    document: &'static str,
    /// The configuration of schemathesis, in `xtask/contract`.
    configuration: &'static str,
    /// Whether the server has a provider with files and built-in tools.
    has_provider: bool,
}

const CONTRACTS: [Contract; 2] = [
    Contract { document: "runs.yaml", configuration: "schemathesis.toml", has_provider: false },
    Contract {
        document: "files.yaml",
        configuration: "schemathesis-files.toml",
        has_provider: true,
    },
];

/// Builds the server, installs schemathesis if needed, sends generated requests to all operations of
/// each document, and prints the number of successes and errors of each.
///
/// # Errors
///
/// Returns an error if a program fails, a response violates the document, or an operation has no
/// success response.
pub fn run(root: &Path, examples: u32) -> Result<String, Error> {
    let folder = programs::target_directory(root)?.join("contract");
    let scripts = root.join("xtask/contract");
    let python = programs::python_with(&folder.join("python"), &scripts.join("requirements.txt"))?;
    let binary = programs::server_binary(root)?;
    let mut messages = Vec::new();
    for contract in CONTRACTS {
        messages.push(contract.test(root, &folder, &python, &binary, examples)?);
    }
    Ok(messages.join("\n"))
}

impl Contract {
    fn test(
        &self,
        root: &Path,
        folder: &Path,
        python: &Path,
        binary: &Path,
        examples: u32,
    ) -> Result<String, Error> {
        let document = root.join("openapi").join(self.document);
        let scripts = root.join("xtask/contract");
        let operations = Operations::read(&document)?;
        let provider = if self.has_provider { Some(start_provider(root)?) } else { None };
        let keys = folder.join("keys.txt");
        programs::write_secret(&keys, KEY)?;
        let mut command = Command::new(binary);
        command
            .args(["--listen", "127.0.0.1:0", "--log-level", "warn", "--api-key-file"])
            .arg(keys);
        if let Some(provider) = &provider {
            let upstream = format!("{}/v1", provider.url);
            command.args(["--upstream", &upstream, "--upstream-api", "responses"]);
            command.args(["--upstream-key-env", "CONTRACT_PROVIDER_KEY"]);
            command.env("CONTRACT_PROVIDER_KEY", "provider-key");
        }
        let server = RunningServer::start(&mut command)?;
        let log = folder.join("responses.jsonl");
        fs::write(&log, "").map_err(file(&log))?;
        let result = succeed(
            Command::new(python.with_file_name("schemathesis"))
                .arg("--config-file")
                .arg(scripts.join(self.configuration))
                .arg("run")
                .arg(document)
                .args(["--url", &server.url, "--max-examples", &examples.to_string()])
                .args(["--header", &format!("Authorization: Bearer {KEY}")])
                .current_dir(folder)
                .env("CONTRACT_BASE_URL", &server.url)
                .env("CONTRACT_API_KEY", KEY)
                .env("CONTRACT_RESPONSES", &log)
                .env("SCHEMATHESIS_HOOKS", scripts.join("hooks.py"))
                .env("PYTHONPATH", &scripts)
                .env("PYTHONDONTWRITEBYTECODE", "1"),
        );
        let log = fs::read_to_string(&log).map_err(file(&log))?;
        let report = report(self.document, &operations, &log);
        result?;
        report
    }
}

/// Prints a line for each operation.
fn report(document: &str, operations: &Operations, log: &str) -> Result<String, Error> {
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
        Ok(format!("all {} operations conform to openapi/{document}", operations.ids().len()))
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
        let result = report("runs.yaml", &operations, &format!("{created}\n{rejected}\n"));
        assert!(matches!(result, Err(Error::OnlyErrors(ids)) if ids == "listThreads"));
        let result =
            report("runs.yaml", &operations, &format!("{created}\n{rejected}\n{listed}\n"));
        assert!(matches!(result, Ok(message) if message.contains("all 2 operations")));
    }
}
