//! `cargo xtask compat`: official clients, unmodified, against the server binary.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, io};

/// The package and the version that the checks were written against.
const PYTHON_PACKAGE: &str = "openai==3.54.0";

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
    let python = python_with_client(&root.join("target/compat"))?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    succeed(Command::new(cargo).current_dir(root).args([
        "build",
        "--workspace",
        "--bin",
        "runstep-server",
    ]))?;
    let server = Server::start(&root.join("target/debug/runstep-server"))?;
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
