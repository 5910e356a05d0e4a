//! The errors of the program, with what to do about them.

use std::io;
use std::path::{Path, PathBuf};

use runstep::ErrorKind;

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
    #[error("{0}")]
    Request(#[from] runstep::Error),
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
        }
    }

    /// Returns what to do, if the message does not say it.
    pub(crate) fn help(&self) -> Option<&'static str> {
        let Self::Request(error) = self else { return None };
        if error.is_authentication() {
            return Some(
                "set RUNSTEP_API_KEY (for RUNSTEP_BASE_URL) or OPENAI_API_KEY (for OPENAI_BASE_URL), \
                 or use --api-key-file",
            );
        }
        if error.is_connect() {
            return Some("check the base URL, and whether the server runs");
        }
        if error.is_deadline() {
            return Some("the run continues; `runstep runs watch` follows it");
        }
        match error.status() {
            Some(404) if error.error_type().is_none() && error.code().is_none() => {
                Some("the base URL may lack `/v1`, or have a superfluous one; see `runstep doctor`")
            }
            _ => None,
        }
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
