//! `runstep doctor`: examines a provider, for a report that can be shown to others.

mod exchange;
mod lifecycle;
mod probe;
mod report;
mod validator;

use runstep::Client;

use crate::connection::ConnectionOptions;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Progress, Terminal, text};
use exchange::Exchange;
use report::{Authentication, Deviation, Report};
use validator::Validator;

/// Deviations of one operation that the report lists.
const MAX_DEVIATIONS: usize = 8;

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArguments {
    /// Also create an assistant with this model, run it on a thread, and delete both. Without it, nothing
    /// is created
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Also read this thread, its messages, runs and steps
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
}

/// What an examination needs and finds.
struct Examination<'a> {
    client: &'a Client,
    validator: Validator,
    progress: Progress,
    report: Report,
}

pub(crate) async fn run(
    arguments: DoctorArguments,
    connection: &ConnectionOptions,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let client = connection.client()?;
    let mut examination = Examination {
        client: &client,
        validator: Validator::new()?,
        progress: terminal.progress("requests"),
        report: Report::new(&connection.base_url()?),
    };
    Box::pin(examination.probe()).await?;
    if let Some(thread) = &arguments.thread {
        Box::pin(examination.read_thread(thread)).await;
    }
    if let Some(model) = &arguments.model {
        Box::pin(examination.live(model)).await;
    }
    let Examination { mut report, progress, .. } = examination;
    drop(progress);
    report.hide(&connection.secrets);
    match terminal.is_json {
        true => terminal.json(&report)?,
        false => terminal.line(text::lines(&report.to_markdown()).trim_end())?,
    }
    Ok(match report.authentication {
        Authentication::Rejected => Exit::Authentication,
        Authentication::Accepted => Exit::Success,
        Authentication::Unknown => {
            terminal.warning("no response has the format of the API; check the base URL");
            Exit::Decode
        }
    })
}

impl Examination<'_> {
    /// Sends a request, and compares a successful response with the schema of its operation.
    async fn call(
        &mut self,
        operation: &str,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Exchange {
        let Some(operation) = exchange::operation(operation) else {
            return Exchange::failed(format!("the specification has no operation `{operation}`"));
        };
        self.progress.increment();
        let exchange = Exchange::send(self.client, operation.method, path, body).await;
        self.report.add_deviations(operation.id, exchange.content_deviation());
        if let (Some(json), Some(schema), true) =
            (&exchange.json, operation.response, exchange.is_success())
        {
            let violations = self.validator.violations(schema, json);
            self.report.add_deviations(operation.id, violations);
        }
        self.report.note_headers(&exchange);
        exchange
    }
}

impl Report {
    /// Adds deviations, each once.
    fn add_deviations(&mut self, operation: &str, violations: impl IntoIterator<Item = String>) {
        for description in violations.into_iter().take(MAX_DEVIATIONS) {
            let deviation = Deviation { operation: operation.to_owned(), description };
            if !self.deviations.contains(&deviation) {
                self.deviations.push(deviation);
            }
        }
    }
}
