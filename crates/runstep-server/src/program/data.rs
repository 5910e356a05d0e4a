//! Where the program keeps its data.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ProgramError;

/// The value of the option for data that ends with the program.
pub(super) const MEMORY: &str = ":memory:";
const FILE_NAME: &str = "runstep.db";

/// Returns the data file, or `None` for data in memory. Creates its directory.
pub(super) fn file(option: Option<&Path>) -> Result<Option<PathBuf>, ProgramError> {
    let path = match option {
        Some(path) if path == Path::new(MEMORY) => return Ok(None),
        Some(path) => path.to_owned(),
        None => {
            let directories = directories::ProjectDirs::from("", "", "runstep");
            let directories = directories.ok_or(ProgramError::NoDataDirectory)?;
            directories.data_dir().join(FILE_NAME)
        }
    };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        create_directory(directory)
            .map_err(|source| ProgramError::DataDirectory { path: directory.to_owned(), source })?;
    }
    Ok(Some(path))
}

/// Creates a directory that only its owner can read.
fn create_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A duration in the form of the options, such as `24h` or `30days`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct OptionDuration {
    text: String,
    pub(super) duration: Duration,
}

impl FromStr for OptionDuration {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.to_owned(), duration: humantime::parse_duration(text)? })
    }
}

impl TryFrom<String> for OptionDuration {
    type Error = humantime::DurationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OptionDuration> for String {
    fn from(duration: OptionDuration) -> Self {
        duration.text
    }
}
