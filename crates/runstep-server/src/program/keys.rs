//! The file of API keys.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::error::ProgramError;
use super::files;

/// The API keys of a file.
#[derive(Debug)]
pub(super) struct Keys {
    path: PathBuf,
    keys: Vec<SecretString>,
}

impl Keys {
    /// Reads one key per line. Blank lines and lines that start with `#` are skipped.
    pub(super) fn read(path: &Path) -> Result<Self, ProgramError> {
        let text = SecretString::from(files::text(path, "API keys")?);
        let (mut keys, mut unique) = (Vec::new(), HashSet::new());
        let lines = text.expose_secret().lines().map(str::trim).enumerate();
        for (line, key) in lines.filter(|(_, key)| !key.is_empty() && !key.starts_with('#')) {
            let path = || path.to_owned();
            if !key.chars().all(|character| character.is_ascii_graphic()) {
                return Err(ProgramError::Key { path: path(), line: line + 1 });
            }
            if !unique.insert(key) {
                return Err(ProgramError::DuplicateKey { path: path(), line: line + 1 });
            }
            keys.push(SecretString::from(key));
        }
        if keys.is_empty() {
            return Err(ProgramError::NoKeys { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), keys })
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = SecretString> {
        self.keys.iter().cloned()
    }

    pub(super) fn summary(&self) -> String {
        format!("# {} API key(s), hidden", self.keys.len())
    }

    /// Logs a warning if all users can read the file.
    pub(super) fn warn_if_world_readable(&self) {
        if fs::metadata(&self.path).is_ok_and(|metadata| is_world_readable(&metadata)) {
            let path = self.path.display();
            tracing::warn!(
                "all users of this machine can read the API keys in {path}; run chmod 600 on it"
            );
        }
    }
}

#[cfg(unix)]
fn is_world_readable(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o004 != 0
}

#[cfg(not(unix))]
fn is_world_readable(_metadata: &fs::Metadata) -> bool {
    false
}
