//! Errors of the program, with what to do about them.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use runstep_server::data::MaintenanceError;
use runstep_server::model::UpstreamError;
use runstep_server::{PostgresAddressError, StartError};

/// The exit code for invalid options, as clap's.
const USAGE: u8 = 2;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error(
        "cannot read the {content} in {}: {source}\n  \
         help: specify a file that the program's user can read",
        path.display()
    )]
    File { content: &'static str, path: PathBuf, source: io::Error },
    #[error("invalid {content} in {}:\n{source}", path.display())]
    Toml { content: &'static str, path: PathBuf, source: Box<toml::de::Error> },
    #[error("invalid option: {0}\n  help: the largest number is 9223372036854775807")]
    Options(toml::ser::Error),
    #[error("the built-in defaults are not valid: {0}; this is a bug in the program")]
    Defaults(Box<toml::de::Error>),
    #[error(
        "{address} is reachable from other machines, but the server has no API keys\n  \
         help: specify a file of keys with --api-key-file, or listen on 127.0.0.1"
    )]
    OpenToAll { address: SocketAddr },
    #[error(
        "{}, line {line}: invalid API key: expected visible ASCII characters without spaces\n  \
         help: write one key per line; comments are separate lines that start with #",
        path.display()
    )]
    Key { path: PathBuf, line: usize },
    #[error("{}, line {line}: duplicate API key\n  help: remove one of them", path.display())]
    DuplicateKey { path: PathBuf, line: usize },
    #[error("{} contains no API key\n  help: write one key per line", path.display())]
    NoKeys { path: PathBuf },
    #[error(
        "--{option} requires a provider\n  \
         help: specify one with --upstream, or remove --{option}"
    )]
    WithoutUpstream { option: &'static str },
    #[error(
        "the environment variable {name} of --upstream-key-env is not set\n  \
         help: set {name}, or remove --upstream-key-env if the provider needs no key"
    )]
    NoUpstreamKey { name: String },
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    #[error(
        "the user has no home directory, so there is no default data directory\n  \
         help: specify a file with --data, or --data :memory: to keep nothing"
    )]
    NoDataDirectory,
    #[error(
        "cannot create the data directory {}: {source}\n  \
         help: specify another file with --data",
        path.display()
    )]
    DataDirectory { path: PathBuf, source: io::Error },
    #[error(
        "this command is for data files\n  \
         help: specify one with --data; for a database, use the tools of Postgres, such as pg_dump"
    )]
    NoDataFile,
    #[error("{} is damaged:\n  {problems}\n  help: restore a backup", path.display())]
    DamagedFile { path: PathBuf, problems: String },
    #[error("invalid option data: {0}")]
    DataAddress(#[from] PostgresAddressError),
    #[error("the server at {address} is not ready: {reason}")]
    NotReady { address: SocketAddr, reason: String },
    #[error("{0}")]
    Maintenance(#[from] MaintenanceError),
    #[error("{0}")]
    Start(#[from] StartError),
    #[error(
        "--demo has a model of its own, and no API keys\n  \
         help: remove --{option}"
    )]
    DemoWith { option: &'static str },
    #[error("the samples of the demo cannot be created: {0}")]
    Demo(reqwest::Error),
    #[error("serving failed: {0}")]
    Serve(io::Error),
}

impl ProgramError {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Serve(_)
            | Self::Demo(_)
            | Self::DataDirectory { .. }
            | Self::DamagedFile { .. }
            | Self::NotReady { .. }
            | Self::Maintenance(_)
            | Self::Start(
                StartError::Listen { .. } | StartError::DataFile(_) | StartError::Database(_),
            ) => ExitCode::FAILURE,
            _ => ExitCode::from(USAGE),
        }
    }
}
