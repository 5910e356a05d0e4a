//! Errors of starting a server.

use crate::store::DataFileError;
use std::io;
use std::net::SocketAddr;

/// The reason why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// No request can carry this API key. The message does not contain the key.
    #[error(
        "invalid API key {position}: expected at least one character, all of them visible ASCII"
    )]
    ApiKey {
        /// The key's position in the list of keys, from 1.
        position: usize,
    },
    /// The text is not a web origin.
    #[error(
        "invalid origin \"{0}\": expected one such as https://example.com, without a path, or *"
    )]
    Origin(String),
    /// The data file cannot be used.
    #[error(transparent)]
    DataFile(#[from] DataFileError),
    /// The specification that the server was built with is not valid. This is a bug in the server.
    #[error("the built-in specification is not valid: {0}; this is a bug in the server")]
    Specification(String),
}
