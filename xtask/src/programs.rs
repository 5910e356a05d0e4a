//! Programs that the release gates build, install and run.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, io, thread};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test.
const SERVER: &str = "runstep-server";

/// An error of a release gate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program could not be started.
    #[error("cannot start {program}: {source}\n  help: {}", help(program))]
    Start {
        /// The program.
        program: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A program failed.
    #[error("{0} failed; see its output above")]
    Failed(String),
    /// A gate measured something that it does not accept.
    #[error("{0}")]
    Measured(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The output of cargo does not have the expected field.
    #[error("the output of cargo has no {0}")]
    MissingOutput(&'static str),
    /// A server exited before it printed its address.
    #[error("{0} exited before it printed its address; see its output above")]
    NoServer(String),
    /// A script of a client printed a line that is not a report.
    #[error("the scripts printed a line that is not a report: {0}")]
    NotAReport(String),
    /// Checks of the clients failed or are missing.
    #[error("{0} checks or operations failed or are missing; see above")]
    ChecksFailed(usize),
    /// All responses of an operation are errors, so its success responses are untested.
    #[error("no success response from: {0}")]
    OnlyErrors(String),
}

fn help(program: &str) -> &'static str {
    match Path::new(program).file_name().and_then(|name| name.to_str()) {
        Some("python3") => "install Python 3.11 or later, with its module venv",
        Some("npm" | "node") => "install Node.js 22 or later, with npm",
        _ => "check that it is installed and on the PATH",
    }
}

/// Returns the target directory of cargo.
///
/// # Errors
///
/// Returns an error if cargo fails.
pub fn target_directory(root: &Path) -> Result<PathBuf, Error> {
    let metadata = cargo(root, &["metadata", "--no-deps", "--format-version", "1"])?;
    directory_in(&metadata).ok_or(Error::MissingOutput("target directory"))
}

/// Builds the server, and returns the path of its binary.
///
/// # Errors
///
/// Returns an error if the build fails.
pub fn server_binary(root: &Path) -> Result<PathBuf, Error> {
    // Building the whole workspace avoids a second build with other features.
    binary(root, &["build", "--workspace", "--bin", SERVER])
}

/// Builds the server with optimizations, and returns the path of its binary.
///
/// # Errors
///
/// Returns an error if the build fails.
pub fn release_binary(root: &Path) -> Result<PathBuf, Error> {
    binary(root, &["build", "--release", "-p", SERVER])
}

fn binary(root: &Path, build: &[&str]) -> Result<PathBuf, Error> {
    let format = ["--message-format", "json-render-diagnostics"];
    let messages = cargo(root, &[build, &format].concat())?;
    executable_in(&messages, SERVER).ok_or(Error::MissingOutput("path of the server"))
}

/// Runs `install` for a folder, unless it has succeeded for the same lock file before.
///
/// # Errors
///
/// Returns an error if a file cannot be read or written, or if `install` fails.
pub fn install_once(
    folder: &Path,
    lock: &Path,
    install: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let installed = folder.join("installed.txt");
    let locked = fs::read_to_string(lock).map_err(file(lock))?;
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == locked) {
        return Ok(());
    }
    install()?;
    fs::write(&installed, locked).map_err(file(&installed))
}

/// Creates a virtual environment with the packages of a lock file, and returns its Python.
///
/// # Errors
///
/// Returns an error if Python is missing, or a package cannot be installed as locked.
pub fn python_with(folder: &Path, lock: &Path) -> Result<PathBuf, Error> {
    let python = folder.join("bin/python");
    install_once(folder, lock, || {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let locked = ["--require-hashes", "--only-binary", ":all:", "--requirement"];
        succeed(Command::new(&python).args(pip).args(locked).arg(lock))
    })?;
    Ok(python)
}

/// Creates a virtual environment with the packages of a list of versions, without hashes, and returns
/// its Python. Packages may be built from their source.
///
/// # Errors
///
/// Returns an error if Python is missing, or a package cannot be installed.
pub fn python_with_versions(folder: &Path, versions: &Path) -> Result<PathBuf, Error> {
    let python = folder.join("bin/python");
    install_once(folder, versions, || {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
        succeed(Command::new(&python).args(pip).arg("--requirement").arg(versions))
    })?;
    Ok(python)
}

/// Creates a certificate of this machine, and its key, which only its user can read. Returns both
/// files.
///
/// # Errors
///
/// Returns an error if a file cannot be written.
pub fn certify(folder: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names)
        .map_err(|error| Error::Measured(error.to_string()))?;
    let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
    fs::write(&certificate, certified.cert.pem()).map_err(file(&certificate))?;
    write_secret(&key, &certified.signing_key.serialize_pem())?;
    Ok((certificate, key))
}

/// Runs a program until it exits.
///
/// # Errors
///
/// Returns an error if the program cannot be started or fails.
pub fn succeed(command: &mut Command) -> Result<(), Error> {
    output(command.stdout(Stdio::inherit())).map(drop)
}

/// Runs a program, and returns its standard output. Its standard error is inherited.
///
/// # Errors
///
/// Returns an error if the program cannot be started or fails.
pub fn output(command: &mut Command) -> Result<String, Error> {
    let program = program(command);
    match command.stderr(Stdio::inherit()).output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(_) => Err(Error::Failed(program)),
        Err(source) => Err(Error::Start { program, source }),
    }
}

/// Writes a file that only its owner can read, as the server requires for key files.
///
/// # Errors
///
/// Returns an error if the file cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(file(path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(file(path))?;
    }
    Ok(())
}

/// Returns a conversion from I/O errors of a file.
pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    |source| Error::File { path: path.to_owned(), source }
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// Runs cargo, and returns its standard output.
///
/// # Errors
///
/// Returns an error if cargo fails.
pub fn cargo(root: &Path, arguments: &[&str]) -> Result<String, Error> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    output(Command::new(program).current_dir(root).args(arguments))
}

/// A server process. It is killed on drop.
pub struct RunningServer {
    child: Child,
    /// The base URL that the server printed.
    pub url: String,
    /// The directory of a temporary data file.
    _data: Option<TempDir>,
}

impl RunningServer {
    /// Starts a server with an empty data file, and waits until it prints a line with its address.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be started, or exits before it prints its address.
    pub fn start(command: &mut Command) -> Result<Self, Error> {
        let data = TempDir::new().map_err(file(Path::new("data")))?;
        let mut running = Self::start_with_data(command, &data.path().join("runstep.db"))?;
        running._data = Some(data);
        Ok(running)
    }

    /// Starts a server with a data file, and waits until it prints a line with its address.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be started, or exits before it prints its address.
    pub fn start_with_data(command: &mut Command, data: &Path) -> Result<Self, Error> {
        let program = program(command);
        let mut child = command
            .env("RUNSTEP_DATA", data)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start { program: program.clone(), source })?;
        let output = child.stdout.take().map(BufReader::new);
        let mut running = Self { child, url: String::new(), _data: None };
        let Some(mut lines) = output.map(BufReader::lines) else {
            return Err(Error::NoServer(program));
        };
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| address_in(&line));
        running.url = url.ok_or(Error::NoServer(program))?;
        // The server would block on a full pipe.
        thread::spawn(move || lines.for_each(drop));
        Ok(running)
    }
}

impl RunningServer {
    /// Returns the id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `STOP`.
    ///
    /// # Errors
    ///
    /// Returns an error if the program `kill` fails.
    pub fn signal(&self, name: &str) -> Result<(), Error> {
        succeed(Command::new("kill").args(["-s", name]).arg(self.child.id().to_string()))
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_in(line: &str) -> Option<String> {
    let last = line.split_whitespace().last()?;
    (line.contains("listen") && last.starts_with("http://")).then(|| last.to_owned())
}

/// Returns the target directory from `cargo metadata`.
fn directory_in(metadata: &str) -> Option<PathBuf> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    Some(metadata.get("target_directory")?.as_str()?.into())
}

/// Returns the path of a binary from the messages of `cargo build`.
fn executable_in(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut paths = messages.filter_map(|message| {
        let named = message.pointer("/target/name")?.as_str()? == name;
        let path = message.get("executable")?.as_str()?;
        named.then(|| path.into())
    });
    paths.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_directory_and_binary_are_found_in_the_output_of_cargo() {
        let metadata = r#"{"packages":[],"target_directory":"/elsewhere"}"#;
        assert_eq!(directory_in(metadata), Some("/elsewhere".into()));
        assert_eq!(directory_in("{}"), None);
        let messages = r#"not a message
{"reason":"compiler-artifact","target":{"name":"runstep-server","kind":["custom-build"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"other","kind":["bin"]},"executable":"/elsewhere/debug/other"}
{"reason":"compiler-artifact","target":{"name":"runstep-server","kind":["bin"]},"executable":"/elsewhere/debug/runstep-server"}
{"reason":"build-finished","success":true}"#;
        let found = executable_in(messages, SERVER);
        assert_eq!(found, Some("/elsewhere/debug/runstep-server".into()));
        assert_eq!(executable_in("", SERVER), None);
    }

    #[test]
    fn missing_program_is_an_error_with_installation_help() {
        let message = |program: &str| {
            let source = io::Error::from(io::ErrorKind::NotFound);
            Error::Start { program: program.to_owned(), source }.to_string()
        };
        assert_eq!(
            message("npm"),
            "cannot start npm: entity not found\n  help: install Node.js 22 or later, with npm"
        );
        assert!(message("python3").ends_with("install Python 3.11 or later, with its module venv"));
        assert!(
            message("/elsewhere/runstep-server")
                .ends_with("check that it is installed and on the PATH")
        );
    }

    #[test]
    fn address_is_found_in_the_line_about_listening() {
        let address = address_in("runstep-server listens on http://127.0.0.1:1/v1");
        assert_eq!(address.as_deref(), Some("http://127.0.0.1:1/v1"));
        assert_eq!(address_in("[mock] loaded http://127.0.0.1:1"), None);
        assert_eq!(address_in(""), None);
    }
}
