//! `runstep runs list`.

use runstep::reqwest::Method;
use runstep::types::Run;
use runstep::{Client, Error};
use serde_json::Value;

use crate::commands::count;
use crate::commands::entries::ListErrors;
use crate::error::CliError;
use crate::exit::Exit;
use crate::outcome;
use crate::terminal::table::Cell;
use crate::terminal::{Terminal, time};

/// The most entries of a page.
const MAX_PAGE: u64 = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct ListArguments {
    /// The thread [default: all threads, which needs a provider with `GET /runs`]
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// Only runs with this status, or one of several: queued,in_progress
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only runs of this assistant
    #[arg(long, value_name = "ID")]
    assistant: Option<String>,
    /// Only runs that contain this text, among those of all threads
    #[arg(long, value_name = "TEXT", conflicts_with = "thread")]
    search: Option<String>,
    /// How many runs to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count)]
    limit: u64,
    /// List all runs
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl ListArguments {
    fn limit(&self) -> u64 {
        if self.all { u64::MAX } else { self.limit }
    }

    fn includes(&self, run: &Run) -> bool {
        let status = run.status.to_string();
        let is_status = |listed: &String| listed.split(',').any(|listed| listed.trim() == status);
        self.status.as_ref().is_none_or(is_status)
            && self.assistant.as_ref().is_none_or(|id| run.assistant_id.as_ref() == Some(id))
    }
}

pub(super) async fn run(
    arguments: &ListArguments,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let (runs, errors) = match &arguments.thread {
        Some(thread) => of_thread(arguments, client, thread, terminal).await?,
        None => of_all_threads(arguments, client, terminal).await?,
    };
    if !terminal.is_json {
        print(arguments, &runs, &errors, terminal)?;
    }
    errors.finish(terminal)?;
    Ok(Exit::Success)
}

fn print(
    arguments: &ListArguments,
    runs: &[Run],
    errors: &ListErrors,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    if runs.is_empty() {
        // An empty list is certain only without errors.
        if errors.is_empty() {
            terminal.note("no runs");
        }
        return Ok(());
    }
    let palette = terminal.palette;
    let with_thread = arguments.thread.is_none();
    let mut heading = vec!["RUN", "STATUS", "ASSISTANT", "CREATED", "DURATION", "TOKENS"];
    heading.extend(with_thread.then_some("THREAD"));
    let mut rows = vec![
        heading.into_iter().map(|name| Cell::new(name).style(palette.bold())).collect::<Vec<_>>(),
    ];
    rows.extend(runs.iter().map(|run| {
        let mut row = vec![
            Cell::new(&run.id),
            Cell::new(&run.status).style(palette.run_status(&run.status)),
            Cell::new(run.assistant_id.as_deref().unwrap_or("-")),
            Cell::new(time::timestamp(run.created_at)),
            Cell::new(time::duration(run.duration())),
            Cell::new(outcome::tokens(run.usage.as_ref())),
        ];
        row.extend(with_thread.then(|| Cell::new(&run.thread_id)));
        row
    }));
    terminal.table(&rows)
}

/// Prints the runs of a thread as JSON, or returns them.
async fn of_thread(
    arguments: &ListArguments,
    client: &Client,
    thread: &str,
    terminal: &mut Terminal,
) -> Result<(Vec<Run>, ListErrors), CliError> {
    let progress = terminal.progress("runs");
    let mut items = client.runs(thread).list().limit(arguments.limit().min(MAX_PAGE)).items();
    let (mut runs, mut errors) = (Vec::new(), ListErrors::default());
    let mut count = 0;
    while count < arguments.limit() {
        let Some(run) = errors.next(&mut items).await else { break };
        if !arguments.includes(&run) {
            continue;
        }
        count += 1;
        progress.increment();
        match terminal.is_json {
            true => terminal.json(&run)?,
            false => runs.push(run),
        }
    }
    Ok((runs, errors))
}

/// Prints the runs of all threads as JSON, or returns them. The official API has no such operation.
async fn of_all_threads(
    arguments: &ListArguments,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<(Vec<Run>, ListErrors), CliError> {
    let progress = terminal.progress("runs");
    let (mut runs, mut errors) = (Vec::new(), ListErrors::default());
    let mut count = 0;
    let mut after: Option<String> = None;
    loop {
        let mut request = client.request(Method::GET, "/runs");
        request = request.query("limit", arguments.limit().min(MAX_PAGE).to_string());
        for (name, value) in [
            ("status", &arguments.status),
            ("assistant_id", &arguments.assistant),
            ("search", &arguments.search),
            ("after", &after),
        ] {
            if let Some(value) = value {
                request = request.query(name, value);
            }
        }
        let page: Value = match request.await {
            Ok(page) => page,
            Err(error) if after.is_none() => return Err(unsupported(error)),
            Err(error) => {
                errors.fail(error);
                return Ok((runs, errors));
            }
        };
        let Some(entries) = page.get("data").and_then(Value::as_array).cloned() else {
            errors.add("the response is not a list, because it has no `data`");
            return Ok((runs, errors));
        };
        // A page of a filtered list can be empty although runs follow.
        let last = page.get("last_id").or_else(|| entries.last()?.get("id"));
        let last = last.and_then(Value::as_str).map(str::to_owned);
        for (index, entry) in entries.into_iter().enumerate() {
            let run = match serde_json::from_value::<Run>(entry.clone()) {
                Ok(run) => run,
                Err(error) => {
                    errors.add(format!("entry {index} of the page cannot be decoded: {error}"));
                    continue;
                }
            };
            // A provider may ignore a filter that it does not know.
            if !arguments.includes(&run) {
                continue;
            }
            count += 1;
            progress.increment();
            match terminal.is_json {
                true => terminal.json(&entry)?,
                false => runs.push(run),
            }
            if count == arguments.limit() {
                return Ok((runs, errors));
            }
        }
        let has_more = page.get("has_more").and_then(Value::as_bool).unwrap_or_default();
        // A cursor that stays the same would never end.
        if !has_more || last.is_none() || last == after {
            return Ok((runs, errors));
        }
        after = last;
    }
}

/// Returns the error of a provider that cannot list the runs of all threads.
fn unsupported(error: Error) -> CliError {
    match error.status() {
        Some(404 | 405 | 501) => CliError::Unsupported(
            "the provider cannot list the runs of all threads: it has no `GET /runs`, which is not part \
             of the official API\n  help: list the runs of one thread with --thread ID"
                .to_owned(),
        ),
        _ => error.into(),
    }
}
