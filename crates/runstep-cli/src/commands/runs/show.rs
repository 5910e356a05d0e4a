//! `runstep runs show`.

use runstep::Client;
use runstep::types::Run;

use super::RunArguments;
use crate::error::CliError;
use crate::exit::Exit;
use crate::outcome;
use crate::terminal::table::Cell;
use crate::terminal::{Terminal, time};

/// The columns of a value that can be long.
const MAX_VALUE: usize = 200;

pub(super) async fn run(
    arguments: &RunArguments,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let run = client.runs(&arguments.thread).retrieve(&arguments.run).await?;
    print(&run, terminal)?;
    Ok(Exit::Success)
}

/// Prints a run: its properties, or JSON.
pub(super) fn print(run: &Run, terminal: &mut Terminal) -> Result<(), CliError> {
    if terminal.is_json {
        return terminal.json(run);
    }
    let palette = terminal.palette;
    let mut rows = Vec::new();
    let mut row = |name: &str, value: Cell| {
        rows.push(vec![Cell::new(name).style(palette.dim()), value]);
    };
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    row("run", Cell::new(&run.id).style(palette.bold()));
    row("status", Cell::new(&run.status).style(palette.run_status(&run.status)));
    row("thread", Cell::new(&run.thread_id));
    row("assistant", Cell::new(or_dash(&run.assistant_id)));
    row("model", Cell::new(or_dash(&run.model)));
    row("created", Cell::new(time::timestamp(run.created_at)));
    row("duration", Cell::new(time::duration(run.duration())));
    if let Some(usage) = &run.usage {
        let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let (prompt, completion) = (count(usage.prompt_tokens), count(usage.completion_tokens));
        let total = count(usage.total_tokens);
        row("tokens", Cell::new(format!("{total} ({prompt} prompt, {completion} completion)")));
    }
    if let Some(instructions) = run.instructions.as_ref().filter(|text| !text.is_empty()) {
        row("instructions", Cell::excerpt(instructions, MAX_VALUE));
    }
    for (key, value) in run.metadata.iter().flatten() {
        row("metadata", Cell::excerpt(format!("{key}={value}"), MAX_VALUE));
    }
    terminal.table(&rows)?;
    if let Some(reason) = outcome::reason(run) {
        terminal.reason(&reason)?;
    }
    Ok(())
}
