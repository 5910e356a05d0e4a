//! Why a server does not start.

use std::io;
use std::net::SocketAddr;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An API key that no request can carry. The key itself is not told.
    #[error(
        "API key {position} cannot be used: a key has at least one character, all of them visible ASCII"
    )]
    ApiKey {
        /// Its place among the keys, from 1.
        position: usize,
    },
    /// Not the origin of a web page.
    #[error("'{0}' is no origin: write one as https://example.com, without a path, or * for any")]
    Origin(String),
    /// The specification that the server was built with cannot be read.
    #[error("the built-in specification cannot be read: {0}; this is a defect of the server")]
    Specification(String),
}
