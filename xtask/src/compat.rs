//! `cargo xtask compat`: official clients, unmodified, against the server binary.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, io};

use serde_json::Value;

/// The package and the version that the checks were written against.
const PYTHON_PACKAGE: &str = "openai==3.54.0";

/// The binary that is checked.
const SERVER: &str = "runstep-server";

/// Why compatibility could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program could not be started.
    #[error("cannot start {program}: {source}\n  help: is it installed and on the PATH?")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program failed.
    #[error("{0} failed; see its output above")]
    Failed(String),
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Cargo did not say what was asked.
    #[error("cargo did not say {0}")]
    Untold(&'static str),
    /// The server did not say where it listens.
    #[error("the server ended before it said where it listens; see its output above")]
    NoServer,
}

/// Builds the server, installs the client where it is not installed yet, and runs the checks.
///
/// # Errors
///
/// When something cannot be installed or started, or a check fails.
pub fn run(root: &Path) -> Result<String, Error> {
    let metadata = cargo(root, &["metadata", "--no-deps", "--format-version", "1"])?;
    let target = target_directory(&metadata).ok_or(Error::Untold("its target directory"))?;
    let python = python_with_client(&target.join("compat"))?;
    let build = ["build", "--workspace", "--bin", SERVER];
    let built =
        cargo(root, &[&build[..], &["--message-format", "json-render-diagnostics"]].concat())?;
    let binary = executable(&built, SERVER).ok_or(Error::Untold("where the server is"))?;
    let server = Server::start(&binary)?;
    let script = root.join("xtask/compat/openai_python.py");
    succeed(
        Command::new(&python)
            .arg(script)
            .env("OPENAI_BASE_URL", &server.base_url)
            .env("OPENAI_API_KEY", "unused")
            .env_remove("OPENAI_ORG_ID")
            .env_remove("OPENAI_PROJECT_ID"),
    )?;
    Ok(format!("the official Python client ({PYTHON_PACKAGE}) works with this server"))
}

/// A virtual environment of our own that has the client; its Python.
fn python_with_client(folder: &Path) -> Result<PathBuf, Error> {
    let environment = folder.join("python");
    let python = environment.join("bin/python");
    let installed = environment.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|package| package == PYTHON_PACKAGE) {
        return Ok(python);
    }
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYTHON_PACKAGE];
    succeed(Command::new(&python).args(install))?;
    fs::write(&installed, PYTHON_PACKAGE)
        .map_err(|source| Error::File { path: installed, source })?;
    Ok(python)
}

/// What cargo writes to its output; its errors are seen as they come.
fn cargo(root: &Path, arguments: &[&str]) -> Result<String, Error> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(&program)
        .current_dir(root)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start { program: program.clone(), source })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Failed(program))
    }
}

/// Where cargo puts what it builds, by its metadata.
fn target_directory(metadata: &str) -> Option<PathBuf> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    Some(metadata.get("target_directory")?.as_str()?.into())
}

/// Where a binary is, by the messages of the build that made it.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut paths = messages.filter_map(|message| {
        let named = message.pointer("/target/name")?.as_str()? == name;
        let path = message.get("executable")?.as_str()?;
        named.then(|| path.into())
    });
    paths.next()
}

fn succeed(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Error::Failed(program)),
        Err(source) => Err(Error::Start { program, source }),
    }
}

/// The server binary on a free port; ended when this is dropped.
struct Server {
    child: Child,
    base_url: String,
}

impl Server {
    fn start(binary: &Path) -> Result<Self, Error> {
        let mut child = Command::new(binary)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start { program: binary.display().to_string(), source })?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            let _ = BufReader::new(output).read_line(&mut line);
        }
        let mut server = Self { child, base_url: String::new() };
        server.base_url = line.split_whitespace().last().ok_or(Error::NoServer)?.to_owned();
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_things_are() {
        let metadata = r#"{"packages":[],"target_directory":"/elsewhere"}"#;
        assert_eq!(target_directory(metadata), Some("/elsewhere".into()));
        assert_eq!(target_directory("{}"), None);
        let messages = r#"not a message
{"reason":"compiler-artifact","target":{"name":"runstep-server","kind":["custom-build"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"other","kind":["bin"]},"executable":"/elsewhere/debug/other"}
{"reason":"compiler-artifact","target":{"name":"runstep-server","kind":["bin"]},"executable":"/elsewhere/debug/runstep-server"}
{"reason":"build-finished","success":true}"#;
        let found = executable(messages, SERVER);
        assert_eq!(found, Some("/elsewhere/debug/runstep-server".into()));
        assert_eq!(executable("", SERVER), None);
    }
}
