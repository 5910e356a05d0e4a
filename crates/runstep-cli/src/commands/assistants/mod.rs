//! `runstep assistants`: lists and creates assistants, and applies their files.

mod apply;
mod definition;

use std::path::PathBuf;

use clap::Subcommand;
use runstep::types::{Assistant, Tool};

use crate::commands::count;
use crate::commands::entries::ListErrors;
use crate::connection::{ConnectionOptions, pair};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::table::Cell;
use crate::terminal::{Terminal, time};

/// The columns of a name.
const MAX_NAME: usize = 40;

#[derive(Debug, Subcommand)]
pub(crate) enum AssistantsCommand {
    /// List assistants, newest first
    List(ListArguments),
    /// Create an assistant
    Create(CreateArguments),
    /// Create or update the assistant that a TOML file describes
    Apply(apply::ApplyArguments),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArguments {
    /// How many assistants to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count)]
    limit: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArguments {
    /// The model
    #[arg(long, value_name = "NAME")]
    model: String,
    /// The name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The instructions
    #[arg(long, value_name = "TEXT", conflicts_with = "instructions_file")]
    instructions: Option<String>,
    /// File with the instructions
    #[arg(long, value_name = "FILE")]
    instructions_file: Option<PathBuf>,
    /// A built-in tool: code_interpreter or file_search
    #[arg(long = "tool", value_name = "TYPE")]
    tools: Vec<String>,
    /// Metadata
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

pub(crate) async fn run(
    command: AssistantsCommand,
    connection: &ConnectionOptions,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let client = connection.client()?;
    match command {
        AssistantsCommand::List(arguments) => {
            let request = client.assistants().list().limit(arguments.limit.min(100));
            let mut items = request.items();
            let mut errors = ListErrors::default();
            let mut assistants = Vec::new();
            let mut count = 0;
            while count < arguments.limit {
                let Some(assistant) = errors.next(&mut items).await else { break };
                count += 1;
                match terminal.is_json {
                    true => terminal.json(&assistant)?,
                    false => assistants.push(assistant),
                }
            }
            // An empty list is certain only without errors.
            if !assistants.is_empty() || errors.is_empty() {
                list(&assistants, terminal)?;
            }
            errors.finish(terminal)?;
        }
        AssistantsCommand::Create(arguments) => {
            let instructions = match &arguments.instructions_file {
                Some(path) => Some(definition::read(path)?),
                None => arguments.instructions,
            };
            let mut request = client
                .assistants()
                .create(arguments.model)
                .name(arguments.name)
                .instructions(instructions);
            if !arguments.tools.is_empty() {
                let tools = arguments.tools.iter().map(|kind| {
                    serde_json::from_value::<Tool>(serde_json::json!({ "type": kind }))
                });
                request = request.tools(tools.collect::<Result<Vec<_>, _>>()?);
            }
            for (key, value) in arguments.metadata {
                request = request.metadata_entry(key, value);
            }
            created(&request.await?, terminal)?;
        }
        AssistantsCommand::Apply(arguments) => {
            return Box::pin(apply::run(&arguments, &client, terminal)).await;
        }
    }
    Ok(Exit::Success)
}

/// Prints the id of a new assistant, for scripts.
fn created(assistant: &Assistant, terminal: &mut Terminal) -> Result<(), CliError> {
    match terminal.is_json {
        true => terminal.json(assistant),
        false => terminal.line(crate::terminal::text::line(&assistant.id)),
    }
}

fn list(assistants: &[Assistant], terminal: &mut Terminal) -> Result<(), CliError> {
    if terminal.is_json {
        return Ok(());
    }
    if assistants.is_empty() {
        terminal.note("no assistants");
        return Ok(());
    }
    let palette = terminal.palette;
    let heading = ["ASSISTANT", "NAME", "MODEL", "CREATED", "TOOLS"];
    let mut rows: Vec<Vec<Cell>> =
        vec![heading.map(|name| Cell::new(name).style(palette.bold())).into()];
    rows.extend(assistants.iter().map(|assistant| {
        let tools: Vec<String> = assistant.tools.iter().map(tool_name).collect();
        vec![
            Cell::new(&assistant.id),
            Cell::excerpt(assistant.name.as_deref().unwrap_or("-"), MAX_NAME),
            Cell::new(assistant.model.as_deref().unwrap_or("-")),
            Cell::new(time::timestamp(assistant.created_at)),
            Cell::excerpt(tools.join(", "), MAX_NAME),
        ]
    }));
    terminal.table(&rows)
}

fn tool_name(tool: &Tool) -> String {
    match tool {
        Tool::Function(tool) => tool.function.name.clone(),
        Tool::CodeInterpreter(_) => "code_interpreter".to_owned(),
        Tool::FileSearch(_) => "file_search".to_owned(),
        other => {
            let kind = serde_json::to_value(other).ok();
            let kind = kind.as_ref().and_then(|tool| tool.get("type")?.as_str());
            kind.unwrap_or("tool").to_owned()
        }
    }
}
