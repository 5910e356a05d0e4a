//! Commands for data files.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use runstep_server::data;

use super::error::ProgramError;
use super::print;

/// Without a command the program serves.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy the data file, also while the server is running
    Backup {
        /// The file to create
        file: PathBuf,
    },
    /// Check the data file, and say what is wrong with it
    Check,
    /// Write all data as lines of JSON, also while the server is running
    Export {
        /// The file to create; without it standard output
        file: Option<PathBuf>,
    },
    /// Create the data file from an export
    Import {
        /// The export; without it standard input
        file: Option<PathBuf>,
    },
}

impl Command {
    /// Executes the command on a data file.
    pub(super) fn execute(&self, path: &Path) -> Result<(), ProgramError> {
        match self {
            Self::Backup { file } => {
                data::backup(path, file)?;
                print(&format!("{} is a backup of {}\n", file.display(), path.display()));
            }
            Self::Check => {
                let problems = data::check(path)?;
                if !problems.is_empty() {
                    let path = path.to_owned();
                    return Err(ProgramError::DamagedFile {
                        path,
                        problems: problems.join("\n  "),
                    });
                }
                print(&format!("{} is valid\n", path.display()));
            }
            Self::Export { file } => {
                let output: Box<dyn Write> = match file {
                    Some(file) => Box::new(File::create_new(file).map_err(stream(file))?),
                    None => Box::new(io::stdout().lock()),
                };
                let bar = progress_bar();
                data::export(path, BufWriter::new(output), |done, all| advance(&bar, done, all))?;
            }
            Self::Import { file } => {
                let input: Box<dyn Read> = match file {
                    Some(file) => Box::new(File::open(file).map_err(stream(file))?),
                    None => Box::new(io::stdin().lock()),
                };
                let bar = progress_bar();
                data::import(path, BufReader::new(input), |done, all| advance(&bar, done, all))?;
                print(&format!("{} has the data of the export\n", path.display()));
            }
        }
        Ok(())
    }
}

fn stream(path: &Path) -> impl FnOnce(io::Error) -> ProgramError + '_ {
    |source| ProgramError::File { content: "export", path: path.to_owned(), source }
}

/// Creates a progress bar on standard error. It is hidden if that is not a terminal.
fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn advance(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}
