//! Why the program ends without being told to: what happened, where, and what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use runstep_server::StartError;
use runstep_server::model::ChatCompletionsError;

/// The exit code for options that cannot be right, as for flags that cannot be read.
const USAGE: u8 = 2;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error(
        "cannot read the {what} in {}: {source}\n  \
         help: name a file that the program's user may read",
        path.display()
    )]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("the {what} in {} cannot be used:\n{source}", path.display())]
    Toml { what: &'static str, path: PathBuf, source: Box<toml::de::Error> },
    #[error("an option cannot be used: {0}\n  help: numbers go up to 9223372036854775807")]
    Options(toml::ser::Error),
    #[error("the built-in defaults cannot be read: {0}; this is a defect of the program")]
    Defaults(Box<toml::de::Error>),
    #[error(
        "{address} can be reached from other machines, and there are no API keys\n  \
         help: give a file of keys with --api-key-file, or listen on 127.0.0.1"
    )]
    OpenToAll { address: SocketAddr },
    #[error(
        "{}, line {line}: a key has only visible ASCII characters and no spaces\n  \
         help: write one key a line; begin comments, which are lines of their own, with #",
        path.display()
    )]
    Key { path: PathBuf, line: usize },
    #[error("{}, line {line}: this key is there already\n  help: take one of them away", path.display())]
    RepeatedKey { path: PathBuf, line: usize },
    #[error("{} holds no key\n  help: write one key a line", path.display())]
    NoKeys { path: PathBuf },
    #[error(
        "--{option} is for a provider, and none is named\n  \
         help: name it with --upstream, or leave --{option} out"
    )]
    WithoutUpstream { option: &'static str },
    #[error(
        "there is no key in the environment variable {name}, which --upstream-key-env names\n  \
         help: set {name}, or leave --upstream-key-env out for a provider without keys"
    )]
    NoUpstreamKey { name: String },
    #[error("{0}")]
    Upstream(#[from] ChatCompletionsError),
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("serving failed: {0}")]
    Serve(io::Error),
}

impl ProgramError {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Serve(_) | Self::Start(StartError::Listen { .. }) => ExitCode::FAILURE,
            _ => ExitCode::from(USAGE),
        }
    }
}
