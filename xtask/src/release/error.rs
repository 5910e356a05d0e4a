//! Errors of a release.

use std::path::PathBuf;

use crate::programs;

/// An error of a release.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program failed or a file is not accessible.
    #[error(transparent)]
    Program(#[from] programs::Error),
    /// A gate failed.
    #[error("the gate {0} failed; see its output above")]
    Gate(String),
    /// The version is not valid.
    #[error("`{version}` is not a version: {source}\n  help: use MAJOR.MINOR.PATCH, such as 0.2.0")]
    InvalidVersion {
        /// The version.
        version: String,
        /// The reason.
        source: semver::Error,
    },
    /// The version is older than the present one.
    #[error("{version} is older than the present version {present}")]
    OlderVersion {
        /// The version.
        version: semver::Version,
        /// The present version.
        present: semver::Version,
    },
    /// The repository is not in the state that a release requires.
    #[error("{reason}\n  help: {help}")]
    Repository {
        /// What is not as required.
        reason: String,
        /// What to do.
        help: &'static str,
    },
    /// A file does not have the expected form.
    #[error("{}: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
}
