//! The program as a process, without the environment of the tests.

use std::fmt;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// A call of the program.
pub(crate) struct Program {
    command: Command,
    input: Option<String>,
}

/// A finished call.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runstep"));
        command.args(arguments).env("COLUMNS", "90");
        for name in [
            "RUNSTEP_BASE_URL",
            "RUNSTEP_API_KEY",
            "RUNSTEP_HEADERS",
            "RUNSTEP_ASSISTANT",
            "OPENAI_BASE_URL",
            "OPENAI_API_KEY",
            "NO_COLOR",
            "CLICOLOR",
            "CLICOLOR_FORCE",
        ] {
            command.env_remove(name);
        }
        Self { command, input: None }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(mut self, input: &str) -> Self {
        self.input = Some(input.to_owned());
        self
    }

    /// Returns the command, to start it in another way.
    pub(crate) fn command(self) -> Command {
        self.command
    }

    /// Runs the program to its end.
    pub(crate) fn run(mut self) -> Finished {
        let stdin = if self.input.is_some() { Stdio::piped() } else { Stdio::null() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        if let Some(input) = self.input {
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        }
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Finished {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs the program, and returns its standard output if it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        let finished = self.run();
        assert_eq!(finished.code, Some(0), "{finished}");
        finished.stdout
    }
}

/// Shows the code and both outputs, for a snapshot.
impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr } = self;
        let code = code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
        write!(f, "code: {code}\n--- stdout\n{stdout}--- stderr\n{stderr}")
    }
}
