//! Opens files: locks them, checks to whom they belong, and migrates them.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::schema::{APPLICATION_ID, MIGRATIONS, migrate};
use crate::error::DataFileError;

/// Bytes of the database that a connection caches, as SQLite expects it: negative, in KiB. They add to
/// the memory bound, because a write of a long run reads many pages: those before its indexed columns.
const WRITER_CACHE: i64 = -4 * 1024;
const READER_CACHE: i64 = -2 * 1024;
/// After how many pages in the write-ahead log a commit copies it into the database.
const CHECKPOINT_PAGES: i64 = 4000;
/// The size to which the write-ahead log is truncated after a checkpoint.
const MAX_WAL_BYTES: i64 = 64 * 1024 * 1024;
/// How long a connection waits for a lock of another process, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const STATEMENTS: usize = 128;

/// When a commit is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Before the response is sent. Nothing that was acknowledged is lost by a power failure.
    #[default]
    Full,
    /// Some time after it. A crash of the process loses nothing, but a power failure can lose the
    /// last commits; the file stays valid.
    Normal,
}

/// Holds the lock of a data file until it is dropped.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Locks a data file by the file next to it with the suffix `.lock`. The database file itself
    /// cannot be used: closing any handle to it would release SQLite's own locks.
    pub(super) fn acquire(path: &Path) -> Result<Self, DataFileError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock_path = PathBuf::from(name);
        let io = |action| {
            let path = lock_path.clone();
            move |source| DataFileError::Io { action, path, source }
        };
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io("create the lock of"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let process_id =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(DataFileError::InUse { path: path.to_owned(), process_id });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(io("write the lock of"))?;
        Ok(Self { _file: file })
    }
}

/// Opens the connection that writes. Creates or migrates the file.
pub(super) fn open_writer(
    path: &Path,
    durability: Durability,
) -> Result<Connection, DataFileError> {
    let database = |error: rusqlite::Error| DataFileError::Database {
        path: path.to_owned(),
        message: error.to_string(),
    };
    create_private(path);
    let mut connection = Connection::open(path).map_err(database)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(database)?;
    let version = check_format(&connection, path)?;
    let configure = |connection: &mut Connection| -> rusqlite::Result<()> {
        if version == 0 {
            connection.pragma_update(None, "auto_vacuum", "incremental")?;
        }
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(
            None,
            "synchronous",
            match durability {
                Durability::Full => "full",
                Durability::Normal => "normal",
            },
        )?;
        connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", MAX_WAL_BYTES)?;
        prepare_statements(connection)?;
        migrate(connection, version)
    };
    configure(&mut connection).map_err(database)?;
    Ok(connection)
}

/// Creates a file that only its owner can read, if it does not exist. Opening it reports errors.
fn create_private(path: &Path) {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

/// Opens a connection that reads.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", READER_CACHE)?;
    prepare_statements(&connection)?;
    Ok(connection)
}

/// Keeps prepared statements. Their plans do not depend on the values that are bound: otherwise SQLite
/// prepares some of them again for each new value.
fn prepare_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Checks that a file belongs to this program and is not too new. Returns its version, which is 0
/// for an empty file.
pub(super) fn check_format(connection: &Connection, path: &Path) -> Result<usize, DataFileError> {
    let read = |sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| {
            match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::NotADatabase) => {
                    DataFileError::OtherProgram { path: path.to_owned() }
                }
                _ => DataFileError::Database { path: path.to_owned(), message: error.to_string() },
            }
        })
    };
    let version = read("PRAGMA user_version")?;
    let is_empty = read("SELECT count(*) FROM sqlite_schema")? == 0;
    if is_empty && version == 0 {
        return Ok(0);
    }
    if read("PRAGMA application_id")? != i64::from(APPLICATION_ID) {
        return Err(DataFileError::OtherProgram { path: path.to_owned() });
    }
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    if version as usize > MIGRATIONS.len() {
        let supported = MIGRATIONS.len() as u32;
        return Err(DataFileError::Newer { path: path.to_owned(), version, supported });
    }
    Ok(version as usize)
}
