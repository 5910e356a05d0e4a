//! Recognizes a data file that was deleted or replaced while it is in use.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi;

/// The file that the writer has opened. What is written to it after it was deleted or replaced is lost
/// when the process ends.
pub(super) struct FileIdentity {
    path: PathBuf,
    /// What distinguishes the file from any other, if it is known.
    number: Option<(u64, u64)>,
}

impl FileIdentity {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), number: number(path).unwrap_or_default() }
    }

    /// Returns an error if the path leads to another file, or to none.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        if self.number.is_none() || number(&self.path).is_ok_and(|number| number == self.number) {
            return Ok(());
        }
        let path = self.path.display();
        let message = format!(
            "the data file {path} was deleted or replaced while the server uses it; move it back, or \
             stop the server"
        );
        let error = ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED);
        Err(rusqlite::Error::SqliteFailure(error, Some(message)))
    }
}

/// Returns the device and the inode of a file.
#[cfg(unix)]
fn number(path: &Path) -> io::Result<Option<(u64, u64)>> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path)?;
    Ok(Some((metadata.dev(), metadata.ino())))
}

/// Returns nothing: other systems do not delete or replace a file that is open.
#[cfg(not(unix))]
fn number(_: &Path) -> io::Result<Option<(u64, u64)>> {
    Ok(None)
}
