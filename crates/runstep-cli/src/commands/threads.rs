//! `runstep threads`: threads as conversations.

use clap::Subcommand;
use runstep::types::{Annotation, Message, MessageContent, MessageRole, Order};
use serde_json::json;

use super::entries::ListErrors;
use crate::connection::ConnectionOptions;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Terminal, text, time};

#[derive(Debug, Subcommand)]
pub(crate) enum ThreadsCommand {
    /// Show a thread as a conversation, oldest message first
    Show(ShowArguments),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArguments {
    /// The thread
    thread: String,
    /// Show only this many messages, the newest ones
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

pub(crate) async fn run(
    command: ThreadsCommand,
    connection: &ConnectionOptions,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let ThreadsCommand::Show(arguments) = command;
    let client = connection.client()?;
    let thread = client.threads().retrieve(&arguments.thread).await?;
    let mut messages = Vec::new();
    let mut errors = ListErrors::default();
    {
        let progress = terminal.progress("messages");
        let list = client.messages(&arguments.thread).list().limit(100).order(Order::Desc);
        let mut items = list.items();
        while arguments.last.is_none_or(|last| messages.len() < last) {
            let Some(message) = errors.next(&mut items).await else { break };
            messages.push(message);
            progress.increment();
        }
    }
    messages.reverse();
    if terminal.is_json {
        terminal.json(&json!({ "thread": thread, "messages": messages }))?;
        errors.finish(terminal)?;
        return Ok(Exit::Success);
    }
    if messages.is_empty() && errors.is_empty() {
        terminal.note(format!("{} has no messages", thread.id));
    }
    for (index, message) in messages.iter().enumerate() {
        if index > 0 {
            terminal.line("")?;
        }
        print(message, terminal)?;
    }
    errors.finish(terminal)?;
    Ok(Exit::Success)
}

/// Prints a message: who wrote it and when, its text, and what belongs to it.
fn print(message: &Message, terminal: &mut Terminal) -> Result<(), CliError> {
    let palette = terminal.palette;
    let role = message.role.as_ref();
    let style = match role {
        Some(MessageRole::User) => palette.accent(),
        _ => palette.good(),
    };
    let role = role.map_or_else(|| "message".to_owned(), ToString::to_string);
    let dim = palette.dim();
    terminal.line(format!(
        "{style}{}{style:#}  {dim}{}  {}{dim:#}",
        text::line(&role),
        time::timestamp(message.created_at),
        text::line(&message.id)
    ))?;
    terminal.foreign_text(&message.text())?;
    terminal.end_line()?;
    for note in notes(message) {
        terminal.line(format!("{dim}[{}]{dim:#}", text::line(&note)))?;
    }
    Ok(())
}

/// Returns what a message has besides text.
fn notes(message: &Message) -> Vec<String> {
    let mut notes = Vec::new();
    for part in &message.content {
        match part {
            MessageContent::ImageFile(image) => {
                notes.push(format!("image {}", image.image_file.file_id));
            }
            MessageContent::ImageUrl(image) => notes.push(format!("image {}", image.image_url.url)),
            MessageContent::Refusal(refusal) => notes.push(format!("refused: {}", refusal.refusal)),
            MessageContent::Text(part) => {
                let annotations = part.text.annotations.iter();
                notes.extend(annotations.filter_map(|annotation| match annotation {
                    Annotation::FileCitation(citation) => {
                        let file = citation.file_citation.as_ref()?;
                        Some(format!("{} cites {}", citation.text, file.file_id))
                    }
                    Annotation::FilePath(path) => {
                        let file = path.file_path.as_ref()?;
                        Some(format!("{} is {}", path.text, file.file_id))
                    }
                    _ => None,
                }));
            }
            _ => notes.push("content of an unknown type".to_owned()),
        }
    }
    let attachments = message.attachments.iter().flatten();
    notes.extend(
        attachments
            .filter_map(|attachment| Some(format!("attached {}", attachment.file_id.as_deref()?))),
    );
    notes
}
