//! Errors of starting a server and of opening its data file.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// The database cannot be used.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The specification that the server was built with is not valid. This is a bug in the server.
    #[error("the built-in specification is not valid: {0}; this is a bug in the server")]
    Specification(String),
}

/// The reason why a data file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataFileError {
    /// Another process uses the file.
    #[error(
        "the data file {} is in use by {}; stop that process, or use another file",
        path.display(), process(.process_id.as_ref())
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// The id of the process that uses the file, if it is known.
        process_id: Option<u32>,
    },
    /// The file is a database of another program.
    #[error(
        "{} is not a data file of runstep-server, but a database of another program; use another \
         file",
        path.display()
    )]
    OtherProgram {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of the server wrote the file.
    #[error(
        "the data file {} has the format version {version}, but this program supports versions up \
         to {supported}; use the version of the program that wrote it, or a newer one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        version: u32,
        /// The newest version that this program supports.
        supported: u32,
    },
    /// The file or its directory cannot be accessed.
    #[error("cannot {action} the data file {}: {source}", path.display())]
    Io {
        /// What could not be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is not a valid database, or it cannot be read or written.
    #[error(
        "cannot open the data file {}: {message}; check its permissions and the free space, or \
         restore a backup",
        path.display()
    )]
    Database {
        /// The file.
        path: PathBuf,
        /// The message of the database library.
        message: String,
    },
}

/// The reason why a Postgres database cannot be used.
#[cfg(feature = "postgres")]
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// There is no connection to the database, or it refuses one.
    #[error("cannot connect to the database: {0}")]
    Connection(String),
    /// TLS cannot be set up.
    #[error("cannot set up TLS for the database: {0}")]
    Tls(String),
    /// The file with certificates of authorities cannot be used.
    #[error("cannot use the certificates in {}: {message}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The schema belongs to another program.
    #[error("the schema runstep of the database belongs to another program; use another database")]
    OtherProgram,
    /// A newer version of the server has upgraded the database.
    #[error(
        "the database has the schema version {version}, but this program supports versions up to \
         {supported}; use the version of the program that upgraded it, or a newer one"
    )]
    Newer {
        /// The version of the schema.
        version: usize,
        /// The newest version that this program supports.
        supported: usize,
    },
    /// A statement failed.
    #[error("the database failed: {0}")]
    Statement(String),
}

#[cfg(feature = "postgres")]
impl DatabaseError {
    /// Converts an error. The message does not contain the password.
    pub(crate) fn from_error(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(error) => {
                Self::Statement(format!("{} ({})", error.message(), error.code().code()))
            }
            None => {
                let source = std::error::Error::source(error);
                let source = source.map(|source| format!(": {source}")).unwrap_or_default();
                Self::Connection(format!("{error}{source}"))
            }
        }
    }
}

#[cfg(feature = "postgres")]
impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::from_error(&error)
    }
}

fn process(id: Option<&u32>) -> String {
    id.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
}

/// The reason why a data file cannot be copied, checked, exported or imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// The data file cannot be used.
    #[error(transparent)]
    DataFile(#[from] DataFileError),
    /// A file cannot be accessed.
    #[error("cannot access {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The path is not valid Unicode, which the database requires.
    #[error("{} is not valid Unicode; use another name", .0.display())]
    Path(PathBuf),
    /// The export cannot be read or written.
    #[error("cannot read or write the export: {0}")]
    Stream(#[source] io::Error),
    /// The file for the import has data.
    #[error("{} has data already; import into a file that does not exist", .0.display())]
    NotEmpty(PathBuf),
    /// The export is not valid.
    #[error("line {line} of the export is not valid: {message}")]
    InvalidLine {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
    /// The rows of the export contradict each other.
    #[error("the export is not valid: {}", .0.join("; "))]
    Inconsistent(Vec<String>),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(String),
}

impl From<rusqlite::Error> for MaintenanceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<serde_json::Error> for MaintenanceError {
    fn from(error: serde_json::Error) -> Self {
        Self::Database(format!("a stored object is not valid JSON: {error}"))
    }
}
