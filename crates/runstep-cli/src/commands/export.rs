//! `runstep export`: a thread with everything in it, as JSON lines.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use runstep::Client;
use runstep::types::Order;
use serde::Serialize;
use tempfile::NamedTempFile;

use super::entries::ListErrors;
use crate::connection::ConnectionOptions;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Progress, Terminal, text};

/// The objects of a page.
const PAGE: u64 = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArguments {
    /// The thread
    thread: String,
    /// What to export, separated by commas [default: everything]
    #[arg(long, value_enum, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<Kind>,
    /// The file to write [default: standard output]. It appears when it is complete
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
}

/// What a thread consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Thread,
    Messages,
    Runs,
    Steps,
}

/// Where the lines are written.
enum Sink<'a> {
    Terminal(&'a mut Terminal),
    File { file: NamedTempFile, path: PathBuf, count: u64 },
}

impl Sink<'_> {
    fn write(&mut self, value: &impl Serialize, progress: &Progress) -> Result<(), CliError> {
        progress.increment();
        match self {
            Self::Terminal(terminal) => terminal.json(value),
            Self::File { file, path, count } => {
                *count += 1;
                let json = text::json(serde_json::to_string(value)?);
                let written = file.write_all(json.as_bytes()).and_then(|()| file.write_all(b"\n"));
                written.map_err(CliError::write(path))
            }
        }
    }
}

pub(crate) async fn run(
    arguments: ExportArguments,
    connection: &ConnectionOptions,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let client = connection.client()?;
    let progress = terminal.progress_beside("objects", arguments.output.is_some());
    let Some(path) = &arguments.output else {
        let errors = export(&arguments, &client, &progress, &mut Sink::Terminal(terminal)).await?;
        drop(progress);
        errors.finish(terminal)?;
        return Ok(Exit::Success);
    };
    if path.exists() && !arguments.force {
        return Err(CliError::usage(
            format!("{} exists", path.display()),
            "use --force to replace it, or another file",
        ));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file =
        NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(CliError::write(path))?;
    let mut sink = Sink::File { file, path: path.clone(), count: 0 };
    let errors = export(&arguments, &client, &progress, &mut sink).await?;
    drop(progress);
    // An incomplete file does not appear.
    errors.finish(terminal)?;
    if let Sink::File { file, path, count } = sink {
        let persisted = match arguments.force {
            true => file.persist(&path),
            false => file.persist_noclobber(&path),
        };
        persisted.map_err(|error| CliError::write(&path)(error.error))?;
        terminal.note(format!("{count} objects in {}", path.display()));
    }
    Ok(Exit::Success)
}

/// Writes the thread, its messages and its runs, oldest first, and the steps after their run. What cannot
/// be read is left out and returned.
async fn export(
    arguments: &ExportArguments,
    client: &Client,
    progress: &Progress,
    sink: &mut Sink<'_>,
) -> Result<ListErrors, CliError> {
    let mut errors = ListErrors::default();
    let includes = |kind| arguments.only.is_empty() || arguments.only.contains(&kind);
    let thread = client.threads().retrieve(&arguments.thread).await?;
    if includes(Kind::Thread) {
        sink.write(&thread, progress)?;
    }
    if includes(Kind::Messages) {
        let messages = client.messages(&thread.id).list().limit(PAGE).order(Order::Asc);
        let mut messages = messages.items();
        while let Some(message) = errors.next(&mut messages).await {
            sink.write(&message, progress)?;
        }
    }
    if errors.has_failed() || !includes(Kind::Runs) && !includes(Kind::Steps) {
        return Ok(errors);
    }
    let runs = client.runs(&thread.id);
    let mut listed = runs.list().limit(PAGE).order(Order::Asc).items();
    while let Some(run) = errors.next(&mut listed).await {
        if includes(Kind::Runs) {
            sink.write(&run, progress)?;
        }
        if includes(Kind::Steps) {
            let mut steps = runs.steps(&run.id).list().limit(PAGE).order(Order::Asc).items();
            while let Some(step) = errors.next(&mut steps).await {
                sink.write(&step, progress)?;
            }
        }
        if errors.has_failed() {
            break;
        }
    }
    Ok(errors)
}
