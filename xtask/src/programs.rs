//! The programs that the release gate builds, installs and starts.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, io, thread};

use serde_json::Value;

/// The binary that is checked.
const SERVER: &str = "runstep-server";

/// Why a program did not do what it was started for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program could not be started.
    #[error("cannot start {program}: {source}\n  help: {}", help(program))]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program failed.
    #[error("{0} failed; see its output above")]
    Failed(String),
    /// A file could not be read or written.
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
    /// A server did not say where it listens.
    #[error("{0} ended before it said where it listens; see its output above")]
    NoServer(String),
}

fn help(program: &str) -> &'static str {
    match Path::new(program).file_name().and_then(|name| name.to_str()) {
        Some("python3") => "install Python 3.11 or later, with its module venv",
        Some("npm" | "node") => "install Node.js 22 or later, with npm",
        _ => "is it installed and on the PATH?",
    }
}

/// The folder that cargo builds into.
///
/// # Errors
///
/// When cargo does not say.
pub fn target_directory(root: &Path) -> Result<PathBuf, Error> {
    let metadata = cargo(root, &["metadata", "--no-deps", "--format-version", "1"])?;
    directory_in(&metadata).ok_or(Error::Untold("its target directory"))
}

/// Builds the server; its binary.
///
/// # Errors
///
/// When it cannot be built.
pub fn server_binary(root: &Path) -> Result<PathBuf, Error> {
    // With the features that the whole workspace asks for, so that nothing is built twice.
    let build = ["build", "--workspace", "--bin", SERVER];
    let format = ["--message-format", "json-render-diagnostics"];
    let built = cargo(root, &[&build[..], &format].concat())?;
    executable_in(&built, SERVER).ok_or(Error::Untold("where the server is"))
}

/// Installs into a folder what a lock file names, unless that very lock was installed before.
///
/// # Errors
///
/// When the folder cannot be written, or as `install` fails.
pub fn install_once(
    folder: &Path,
    lock: &Path,
    install: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let installed = folder.join("installed.txt");
    let wanted = fs::read_to_string(lock).map_err(file(lock))?;
    if fs::read_to_string(&installed).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    install()?;
    fs::write(&installed, wanted).map_err(file(&installed))
}

/// The Python of an environment of our own, with the packages of a lock file.
///
/// # Errors
///
/// When there is no Python, or a package cannot be had as it was locked.
pub fn python_with(folder: &Path, lock: &Path) -> Result<PathBuf, Error> {
    let python = folder.join("bin/python");
    install_once(folder, lock, || {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let quietly = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let locked = ["--require-hashes", "--only-binary", ":all:", "--requirement"];
        succeed(Command::new(&python).args(quietly).args(locked).arg(lock))
    })?;
    Ok(python)
}

/// Runs a program to its end.
///
/// # Errors
///
/// When it cannot be started or fails.
pub fn succeed(command: &mut Command) -> Result<(), Error> {
    let program = program(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Error::Failed(program)),
        Err(source) => Err(Error::Start { program, source }),
    }
}

/// What a program writes to its output; its errors are seen as they come.
///
/// # Errors
///
/// When it cannot be started or fails.
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

/// Writes a file that only its owner may read, as the server asks of a file of keys.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(file(path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(file(path))?;
    }
    Ok(())
}

/// What is told of a file that cannot be read or written.
pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    |source| Error::File { path: path.to_owned(), source }
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String, Error> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    output(Command::new(program).current_dir(root).args(arguments))
}

/// A server on a free port; ended when this is dropped.
pub struct Running {
    child: Child,
    /// Where it listens, as it says.
    pub url: String,
}

impl Running {
    /// Starts a server that says on a line of its output where it listens.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or ends before it says so.
    pub fn start(command: &mut Command) -> Result<Self, Error> {
        let program = program(command);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start { program: program.clone(), source })?;
        let output = child.stdout.take().map(BufReader::new);
        let mut running = Self { child, url: String::new() };
        let Some(mut lines) = output.map(BufReader::lines) else {
            return Err(Error::NoServer(program));
        };
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| address_in(&line));
        running.url = url.ok_or(Error::NoServer(program))?;
        // A server whose output nobody reads would wait with it.
        thread::spawn(move || lines.for_each(drop));
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_in(line: &str) -> Option<String> {
    let last = line.split_whitespace().last()?;
    (line.contains("listen") && last.starts_with("http://")).then(|| last.to_owned())
}

/// Where cargo puts what it builds, by its metadata.
fn directory_in(metadata: &str) -> Option<PathBuf> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    Some(metadata.get("target_directory")?.as_str()?.into())
}

/// Where a binary is, by the messages of the build that made it.
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
    fn cargo_says_where_things_are() {
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
    fn what_is_missing_is_told_with_what_to_install() {
        let told = |program: &str| {
            let source = io::Error::from(io::ErrorKind::NotFound);
            Error::Start { program: program.to_owned(), source }.to_string()
        };
        assert_eq!(
            told("npm"),
            "cannot start npm: entity not found\n  help: install Node.js 22 or later, with npm"
        );
        assert!(told("python3").ends_with("install Python 3.11 or later, with its module venv"));
        assert!(told("/elsewhere/runstep-server").ends_with("is it installed and on the PATH?"));
    }

    #[test]
    fn servers_say_where_they_listen() {
        let told = address_in("runstep-server listens on http://127.0.0.1:1/v1");
        assert_eq!(told.as_deref(), Some("http://127.0.0.1:1/v1"));
        assert_eq!(address_in("[mock] loaded http://127.0.0.1:1"), None);
        assert_eq!(address_in(""), None);
    }
}
