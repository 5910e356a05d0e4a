//! Commands: for data files, and for health checks.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use runstep_server::data;

use super::error::ProgramError;
use super::print;

const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Without a command the program serves.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Ask the server at --listen whether it is ready, for health checks
    Ready,
    #[command(flatten)]
    Data(DataCommand),
}

/// A command for data files.
#[derive(Debug, Subcommand)]
pub(super) enum DataCommand {
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

impl DataCommand {
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

/// Asks the server at an address whether it is ready.
pub(super) async fn check_ready(mut address: SocketAddr) -> Result<(), ProgramError> {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let not_ready = |reason: String| ProgramError::NotReady { address, reason };
    let request = async {
        let client = reqwest::Client::builder().no_proxy().timeout(READY_TIMEOUT).build()?;
        client.get(format!("http://{address}/readyz")).send().await
    };
    match request.await {
        Ok(response) if response.status().is_success() => {
            print("ready\n");
            Ok(())
        }
        Ok(response) => Err(not_ready(format!("status {}", response.status()))),
        Err(error) => Err(not_ready(error.without_url().to_string())),
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
