//! Reads the files that options refer to.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::error::ProgramError;

/// Reads a text file. `content` names what it contains in errors.
pub(super) fn text(path: &Path, content: &'static str) -> Result<String, ProgramError> {
    fs::read_to_string(path).map_err(|source| ProgramError::File {
        content,
        path: path.to_owned(),
        source,
    })
}

/// Reads a TOML file.
pub(super) fn toml<T: DeserializeOwned>(
    path: &Path,
    content: &'static str,
) -> Result<T, ProgramError> {
    toml::from_str(&text(path, content)?).map_err(|source| ProgramError::Toml {
        content,
        path: path.to_owned(),
        source: Box::new(source),
    })
}
