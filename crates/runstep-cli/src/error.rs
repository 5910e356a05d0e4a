//! The errors of the program, with what to do about them.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use runstep::{ErrorKind, RunRef};

use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The arguments do not fit together, or an input is not valid.
    #[error("{0}")]
    Usage(String),
    /// An input file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file is not valid.
    #[error("{} is not valid: {reason}", path.display())]
    InvalidFile { path: PathBuf, reason: String },
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// Standard input cannot be read.
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    /// A value cannot be written as JSON.
    #[error("cannot write the output as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signal(io::Error),
    /// A request failed.
    #[error("{}", in_terms_of_the_program(.0))]
    Request(#[from] runstep::Error),
    /// The wait for a run exceeded its deadline.
    #[error("{}", in_terms_of_the_program(error))]
    Deadline { error: runstep::Error, run: Option<RunRef> },
    /// Entries of a list cannot be read. The others were printed.
    #[error("the list is incomplete: {}", entries(unreadable, *further))]
    Incomplete { unreadable: Vec<String>, further: u64 },
    /// The provider lacks an operation.
    #[error("{0}")]
    Unsupported(String),
    /// Ctrl-C ended the command.
    #[error("{0}")]
    Interrupted(String),
}

impl CliError {
    /// Returns a function that adds the path to the error of reading a file.
    pub(crate) fn read(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    /// Returns a function that adds the path to the error of writing a file.
    pub(crate) fn write(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |source| Self::Write { path: path.to_owned(), source }
    }

    /// Replaces the path of a file that cannot be read.
    pub(crate) fn with_path(self, path: &Path) -> Self {
        match self {
            Self::Read { source, .. } => Self::Read { path: path.to_owned(), source },
            other => other,
        }
    }

    /// Returns an error of the arguments, with what to do.
    pub(crate) fn usage(message: impl std::fmt::Display, help: impl std::fmt::Display) -> Self {
        Self::Usage(format!("{message}\n  help: {help}"))
    }

    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::InvalidFile { .. } => Exit::Usage,
            Self::Read { .. } | Self::Input(_) => Exit::Usage,
            Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe => Exit::BrokenPipe,
            Self::Write { .. } | Self::Output(_) | Self::Json(_) | Self::Signal(_) => Exit::Failure,
            Self::Unsupported(_) => Exit::Unsupported,
            Self::Interrupted(_) => Exit::Interrupted,
            Self::Request(error) => of_request(error),
            Self::Deadline { .. } => Exit::Deadline,
            Self::Incomplete { .. } => Exit::Decode,
        }
    }

    /// Returns what to do, if the message does not say it.
    pub(crate) fn help(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Request(error) => help_of_request(error).map(Cow::Borrowed),
            Self::Deadline { run: Some(run), .. } => {
                Some(format!("the run continues; {}", follow_or_cancel(run)).into())
            }
            Self::Deadline { run: None, .. } => {
                Some("if a run was created, it continues; set a later --deadline".into())
            }
            _ => None,
        }
    }
}

/// Says how to follow or cancel a run that continues.
pub(crate) fn follow_or_cancel(run: &RunRef) -> String {
    let RunRef { thread_id, run_id, .. } = run;
    format!(
        "follow it with `runstep runs watch {run_id} --thread {thread_id}`, or cancel it with \
         `runstep runs cancel {run_id} --thread {thread_id}`"
    )
}

/// Advice of the SDK about its methods, and what it is for the program.
const TERMS: [(&str, &str); 6] = [
    ("set query parameters with `query`", "set query parameters with `--query NAME=VALUE`"),
    ("allow it with `allow_plain_http(true)`", "allow it with `--allow-plain-http`"),
    ("use the API key instead", "use `--api-key-env` or `--api-key-file` instead"),
    // The program has no option for these.
    (" (`check_limits(false)` disables this check)", ""),
    ("; raise `max_rounds`", ""),
    ("; poll it, or set a later deadline", ""),
];

/// Returns the text of an error, with options of the program in place of methods of the SDK.
fn in_terms_of_the_program(error: &runstep::Error) -> String {
    let text = error.to_string();
    match error.kind() {
        // The text is that of the provider.
        ErrorKind::Api => text,
        _ => TERMS.iter().fold(text, |text, (sdk, program)| text.replace(sdk, program)),
    }
}

/// Lists the errors of entries.
fn entries(unreadable: &[String], further: u64) -> String {
    let mut text = unreadable.join("\n  ");
    if further > 0 {
        text.push_str(&format!("\n  and {further} more"));
    }
    text
}

fn help_of_request(error: &runstep::Error) -> Option<&'static str> {
    if error.is_authentication() {
        return Some(
            "set RUNSTEP_API_KEY (for RUNSTEP_BASE_URL) or OPENAI_API_KEY (for OPENAI_BASE_URL), \
             or use --api-key-file",
        );
    }
    if error.is_connect() {
        return Some("check the base URL, and whether the server runs");
    }
    match error.status() {
        Some(404) if error.error_type().is_none() && error.code().is_none() => {
            Some("the base URL may lack `/v1`, or have a superfluous one; see `runstep doctor`")
        }
        _ => None,
    }
}

fn of_request(error: &runstep::Error) -> Exit {
    if error.is_authentication() {
        return Exit::Authentication;
    }
    if error.is_not_found() {
        return Exit::NotFound;
    }
    if error.is_rate_limited() {
        return Exit::RateLimited;
    }
    match error.kind() {
        ErrorKind::Configuration | ErrorKind::InvalidRequest => Exit::Usage,
        ErrorKind::Connection | ErrorKind::Timeout => Exit::Network,
        ErrorKind::Decode => Exit::Decode,
        ErrorKind::Deadline => Exit::Deadline,
        _ => Exit::Failure,
    }
}
