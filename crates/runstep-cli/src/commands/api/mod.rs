//! `runstep api`: one command for each operation of the specification.

mod body;
mod command;
pub(crate) mod operation;
#[rustfmt::skip]
pub(crate) mod operations;
pub(crate) mod path;

use clap::{ArgMatches, FromArgMatches};
use runstep::reqwest::Method;
use runstep::{BodyStream, Request};
use serde_json::Value;

use crate::connection::ConnectionOptions;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;
use operation::{Kind, Operation, Parameter};
use operations::OPERATIONS;

/// Maximum length of a line of a stream, in bytes.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// The operation, and its arguments.
#[derive(Debug)]
pub(crate) struct ApiArguments {
    operation: &'static Operation,
    matches: ArgMatches,
}

impl clap::Args for ApiArguments {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("OPERATION")
            .subcommand_help_heading("Operations")
            .subcommands(OPERATIONS.iter().map(command::command))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ApiArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let operation = OPERATIONS.iter().find(|operation| operation.command == name);
        Ok(Self { operation: operation.ok_or_else(missing)?, matches: matches.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

pub(crate) async fn run(
    arguments: ApiArguments,
    connection: &ConnectionOptions,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let ApiArguments { operation, matches } = arguments;
    let path = path::fill(operation.path, |name| {
        let parameter = operation.parameters.iter().find(|parameter| parameter.name == name)?;
        matches.get_one::<String>(parameter.flag).map(String::as_str)
    })?;
    let body =
        operation.body.as_ref().map(|body| body::body(body, &matches)).transpose()?.flatten();
    let method = Method::from_bytes(operation.method.as_bytes())
        .map_err(|error| CliError::Usage(format!("`{}`: {error}", operation.method)))?;
    let mut request = connection.client()?.request(method, path);
    for parameter in operation.parameters.iter().filter(|parameter| !parameter.is_in_path) {
        request = with_query(request, parameter, &matches);
    }
    if let Some(body) = &body {
        request = request.json(body);
    }
    let is_stream = body.as_ref().and_then(|body| body.get("stream")) == Some(&Value::Bool(true));
    if operation.streams && is_stream {
        let response = request.stream_response().await?;
        print_stream(response.into_inner(), terminal).await?;
        return Ok(Exit::Success);
    }
    let response = request.send().await?;
    match serde_json::from_slice::<Value>(response.body()) {
        Ok(json) if terminal.is_json => terminal.json(&json)?,
        Ok(json) => terminal.pretty_json(&json)?,
        Err(_) => {
            terminal.foreign_text(&String::from_utf8_lossy(response.body()))?;
            terminal.end_line()?;
        }
    }
    Ok(Exit::Success)
}

/// Adds a parameter of the query, if it is set.
fn with_query(mut request: Request, parameter: &Parameter, matches: &ArgMatches) -> Request {
    let flag = parameter.flag;
    let values: Vec<String> = match parameter.kind {
        Kind::Text(_) => matches.get_many::<String>(flag).into_iter().flatten().cloned().collect(),
        Kind::Integer => texts::<i64>(matches, flag),
        Kind::Number => texts::<f64>(matches, flag),
        Kind::Boolean => texts::<bool>(matches, flag),
        // No parameter of a query is a map.
        Kind::Map => Vec::new(),
    };
    for value in values {
        request = request.query(parameter.name, value);
    }
    request
}

fn texts<T: ToString + Clone + Send + Sync + 'static>(
    matches: &ArgMatches,
    flag: &str,
) -> Vec<String> {
    matches.get_many::<T>(flag).into_iter().flatten().map(ToString::to_string).collect()
}

/// Prints a stream of events as it is, line by line.
async fn print_stream(mut content: BodyStream, terminal: &mut Terminal) -> Result<(), CliError> {
    let mut rest = Vec::new();
    while let Some(chunk) = content.try_next().await? {
        rest.extend_from_slice(&chunk);
        let complete = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let lines: Vec<u8> = rest.drain(..complete).collect();
        terminal.foreign_text(&String::from_utf8_lossy(&lines))?;
        if rest.len() > MAX_LINE {
            let message = "a line of the stream is longer than 16 MiB".to_owned();
            return Err(CliError::Unsupported(message));
        }
    }
    terminal.foreign_text(&String::from_utf8_lossy(&rest))?;
    terminal.end_line()
}
