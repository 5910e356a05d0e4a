//! `runstep steps`: the steps of a run as a timeline.

use runstep::types::{Order, Run, RunStep};

use super::entries::ListErrors;
use super::runs::RunArguments;
use crate::connection::ConnectionOptions;
use crate::error::CliError;
use crate::exit::Exit;
use crate::outcome;
use crate::terminal::table::Cell;
use crate::terminal::{Terminal, text, time};

#[derive(Debug, clap::Args)]
pub(crate) struct StepsArguments {
    #[command(flatten)]
    run: RunArguments,
}

pub(crate) async fn run(
    arguments: StepsArguments,
    connection: &ConnectionOptions,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let RunArguments { run, thread } = arguments.run;
    let client = connection.client()?;
    let runs = client.runs(&thread);
    let retrieved = runs.retrieve(&run).await?;
    let mut steps = Vec::new();
    let mut errors = ListErrors::default();
    {
        let progress = terminal.progress("steps");
        let mut items = runs.steps(&run).list().limit(100).order(Order::Asc).items();
        while let Some(step) = errors.next(&mut items).await {
            steps.push(step);
            progress.increment();
        }
    }
    if terminal.is_json {
        for step in &steps {
            terminal.json(step)?;
        }
    } else {
        print(&retrieved, &steps, terminal)?;
    }
    errors.finish(terminal)?;
    Ok(Exit::Success)
}

/// A row of the timeline. Times are Unix timestamps.
struct Row {
    label: String,
    status: String,
    start: Option<i64>,
    end: Option<i64>,
    tokens: String,
}

fn print(run: &Run, steps: &[RunStep], terminal: &mut Terminal) -> Result<(), CliError> {
    let mut rows = Vec::new();
    if run.started_at.is_some() {
        rows.push(Row {
            label: "queued".to_owned(),
            status: String::new(),
            start: run.created_at,
            end: run.started_at,
            tokens: String::new(),
        });
    }
    rows.extend(steps.iter().map(|step| {
        Row {
            label: outcome::describe_step(step),
            status: step.status.to_string(),
            start: step.created_at,
            end: [step.completed_at, step.failed_at, step.cancelled_at, step.expired_at]
                .into_iter()
                .flatten()
                .next(),
            tokens: outcome::tokens(step.usage.as_ref()),
        }
    }));
    let palette = terminal.palette;
    let bold = palette.bold();
    let style = palette.run_status(&run.status);
    terminal.line(format!(
        "{bold}{}{bold:#}  {style}{}{style:#}",
        text::line(&run.id),
        text::line(&outcome::summary(run))
    ))?;
    let times = || rows.iter().flat_map(|row| [row.start, row.end]).flatten();
    let start = run.created_at.or_else(|| times().min()).unwrap_or_default();
    // The end of an active run, or of an active step, is now.
    let is_active = !run.is_terminal();
    let now = is_active.then(time::now);
    let end = times().chain(now).max().unwrap_or(start);
    let label_columns = terminal.width() / 3;
    let bar_columns = (terminal.width() / 3).max(10);
    let table: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            let row_end = row.end.or(now);
            let bar = bar(row.start, row_end, start..=end, bar_columns);
            let length = duration(row.start, row_end);
            vec![
                Cell::excerpt(&row.label, label_columns),
                Cell::new(bar).style(palette.status(&row.status)),
                Cell::new(&row.status).style(palette.status(&row.status)),
                Cell::new(length),
                Cell::new(&row.tokens),
            ]
        })
        .collect();
    let heading = ["STEP", "", "STATUS", "DURATION", "TOKENS"];
    let mut lines = vec![heading.map(|name| Cell::new(name).style(palette.dim())).into()];
    lines.extend(table);
    terminal.table(&lines)?;
    if let Some(reason) = outcome::reason(run) {
        terminal.reason(&reason)?;
    }
    Ok(())
}

fn duration(start: Option<i64>, end: Option<i64>) -> String {
    let (Some(start), Some(end)) = (start, end) else { return "-".to_owned() };
    let seconds = u64::try_from(end.saturating_sub(start)).unwrap_or_default();
    time::duration(Some(std::time::Duration::from_secs(seconds)))
}

/// Returns a bar from the start to the end of a step, on the scale of the whole run. A step that took
/// less than a second is a thin line.
fn bar(
    start: Option<i64>,
    end: Option<i64>,
    run: std::ops::RangeInclusive<i64>,
    columns: usize,
) -> String {
    let (Some(start), Some(end)) = (start, end) else { return String::new() };
    let total = u64::try_from(run.end().saturating_sub(*run.start())).unwrap_or_default().max(1);
    let columns = u64::try_from(columns).unwrap_or(u64::MAX);
    let column = |time: i64| {
        let offset = u64::try_from(time.saturating_sub(*run.start())).unwrap_or_default();
        let column = u128::from(offset.min(total)) * u128::from(columns) / u128::from(total);
        usize::try_from(column).unwrap_or_default()
    };
    let (first, last) = (column(start), column(end));
    match last.saturating_sub(first) {
        0 => format!("{}▏", " ".repeat(first)),
        length => format!("{}{}", " ".repeat(first), "█".repeat(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn bars_are_on_the_scale_of_the_run() {
        assert_eq!(bar(Some(100), Some(105), 100..=110, 10), "█████");
        assert_eq!(bar(Some(105), Some(110), 100..=110, 10), "     █████");
        assert_eq!(bar(Some(103), Some(103), 100..=110, 10), "   ▏");
        assert_eq!(bar(Some(100), Some(100), 100..=100, 10), "▏");
        assert_eq!(bar(None, Some(100), 100..=100, 10), "");
        // Clocks of servers can go back, and can be far off.
        assert_eq!(bar(Some(110), Some(90), 100..=110, 10), "          ▏");
        assert_eq!(bar(Some(i64::MIN), Some(i64::MAX), 100..=110, 10), "██████████");
    }
}
