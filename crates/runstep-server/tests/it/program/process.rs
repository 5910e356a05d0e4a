//! The program as a child process, in a temporary directory and with an empty environment.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Arguments, environment and files of a program to start.
pub(crate) struct ProgramBuilder {
    directory: TempDir,
    command: Command,
}

/// Exit code and output of a program that has ended.
#[derive(Debug)]
pub(crate) struct Exited {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl ProgramBuilder {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_runstep-server"));
        command.args(arguments).env_clear().current_dir(directory.path());
        // The default data file is in the temporary directory.
        command.env("HOME", directory.path()).env("XDG_DATA_HOME", directory.path().join("share"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { directory, command }
    }

    /// A program that a shell script executes, as `"$0" "$@"`.
    pub(crate) fn with_shell(script: &str, arguments: &[&str]) -> Self {
        let mut builder = Self::new(&[]);
        let program = env!("CARGO_BIN_EXE_runstep-server");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, program]).args(arguments).env_clear();
        command.current_dir(builder.directory.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        builder.command = command;
        builder
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds a file below the program's working directory.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs the program until it exits.
    pub(crate) fn run_to_exit(mut self) -> Exited {
        let child = self.command.spawn().unwrap();
        let mut program =
            Program { child, address: None, data: String::new(), _directory: self.directory };
        let status = program.exit_status();
        let (mut output, mut errors) = (String::new(), String::new());
        program.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        program.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        Exited { code: status.code(), output, errors }
    }

    /// Starts the program and waits until it accepts connections.
    pub(crate) fn serve(mut self) -> Program {
        let child = self.command.spawn().unwrap();
        let mut program =
            Program { child, address: None, data: String::new(), _directory: self.directory };
        let mut output = BufReader::new(program.child.stdout.take().unwrap());
        let (mut line, mut data) = (String::new(), String::new());
        output.read_line(&mut line).and_then(|_| output.read_line(&mut data)).unwrap();
        let data = data.trim().strip_prefix("runstep-server keeps its data in ");
        program.data = data.unwrap_or_default().to_owned();
        let start = "runstep-server listens on http://";
        let address = line.trim().strip_prefix(start).and_then(|url| url.strip_suffix("/v1"));
        program.address = address.and_then(|address| address.parse().ok());
        assert!(program.address.is_some(), "unexpected: {line}{}", program.errors());
        program
    }
}

/// A running program, which is killed on drop.
pub(crate) struct Program {
    child: Child,
    address: Option<SocketAddr>,
    data: String,
    _directory: TempDir,
}

impl Program {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where the program keeps its data.
    pub(crate) fn data(&self) -> &str {
        &self.data
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    pub(crate) fn exit_status(&mut self) -> ExitStatus {
        wait_for("the program to exit", || self.child.try_wait().unwrap())
    }

    /// Kills the program and returns its standard error output.
    pub(crate) fn errors(&mut self) -> String {
        let _ = self.child.kill();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        errors
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn wait_for<T>(condition: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if let Some(value) = poll() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("timed out waiting for {condition}");
}
