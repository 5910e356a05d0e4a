//! Where the program keeps its data.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, fs};

use runstep_server::{PostgresAddress, PostgresAddressError};
use serde::{Deserialize, Serialize};

use super::error::ProgramError;

const MEMORY: &str = ":memory:";
const FILE_NAME: &str = "runstep.db";
const DATABASE_SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Where the program keeps its data.
#[derive(Clone, Debug)]
pub(super) enum DataLocation {
    /// Data that ends with the program.
    Memory,
    File(PathBuf),
    Database(Box<PostgresAddress>),
}

impl FromStr for DataLocation {
    type Err = PostgresAddressError;

    /// Parses the value of the option for data. It is not parsed by the libraries for options, because
    /// their messages contain the value, which can have a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == MEMORY {
            return Ok(Self::Memory);
        }
        if DATABASE_SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            return Ok(Self::Database(Box::new(text.parse()?)));
        }
        Ok(Self::File(text.into()))
    }
}

impl fmt::Display for DataLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::File(path) => path.display().fmt(f),
            Self::Database(address) => address.fmt(f),
        }
    }
}

impl DataLocation {
    /// Returns the location of an option, or the default. Creates the directory of a data file.
    pub(super) fn prepare(option: Option<&Self>) -> Result<Self, ProgramError> {
        let location = match option {
            Some(location) => location.clone(),
            None => {
                let directories = directories::ProjectDirs::from("", "", "runstep");
                let directories = directories.ok_or(ProgramError::NoDataDirectory)?;
                Self::File(directories.data_dir().join(FILE_NAME))
            }
        };
        if let Self::File(path) = &location {
            create_directory_of(path)?;
        }
        Ok(location)
    }
}

fn create_directory_of(path: &Path) -> Result<(), ProgramError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        create_directory(directory)
            .map_err(|source| ProgramError::DataDirectory { path: directory.to_owned(), source })?;
    }
    Ok(())
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
