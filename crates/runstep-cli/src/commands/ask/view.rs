//! Prints the text of an answer while it is generated.

use std::collections::HashMap;

use runstep::RunEvent;
use runstep::types::{Message, MessageContent, MessageRole};

use crate::error::CliError;
use crate::follow::View;
use crate::terminal::Terminal;

/// Prints the messages of a run.
#[derive(Default)]
pub(crate) struct AnswerView {
    /// The message that is printed.
    current: Option<String>,
    /// The lengths of the printed texts, by message.
    printed: HashMap<String, usize>,
    messages: Vec<Message>,
}

impl AnswerView {
    /// Returns the messages, oldest first.
    pub(crate) fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    fn print(&mut self, id: &str, text: &str, terminal: &mut Terminal) -> Result<(), CliError> {
        if text.is_empty() || terminal.is_json {
            return Ok(());
        }
        if self.current.as_deref() != Some(id) {
            if self.current.is_some() {
                terminal.end_line()?;
                terminal.line("")?;
            }
            self.current = Some(id.to_owned());
        }
        *self.printed.entry(id.to_owned()).or_default() += text.len();
        terminal.foreign_text(text)
    }

    /// Prints what no delta contained.
    fn complete(&mut self, message: &Message, terminal: &mut Terminal) -> Result<(), CliError> {
        let text = message.text();
        let printed = self.printed.get(&message.id).copied().unwrap_or_default();
        if let Some(rest) = text.get(printed..) {
            self.print(&message.id, rest, terminal)?;
        }
        for part in &message.content {
            let what = match part {
                MessageContent::ImageFile(image) => format!("image {}", image.image_file.file_id),
                MessageContent::ImageUrl(image) => format!("image {}", image.image_url.url),
                MessageContent::Refusal(refusal) => format!("refused: {}", refusal.refusal),
                _ => continue,
            };
            if !terminal.is_json {
                terminal.note(format!("[{what}]"));
            }
        }
        self.messages.push(message.clone());
        Ok(())
    }
}

impl View for AnswerView {
    fn event(&mut self, event: &RunEvent, terminal: &mut Terminal) -> Result<(), CliError> {
        match event {
            RunEvent::MessageDelta(delta) => self.print(&delta.id, &delta.text(), terminal),
            RunEvent::MessageCompleted(message) | RunEvent::MessageIncomplete(message) => {
                self.complete(message, terminal)
            }
            // Questions about calls start on a line of their own.
            RunEvent::RunRequiresAction(_) => terminal.end_line(),
            _ => Ok(()),
        }
    }

    fn end(&mut self, messages: &[Message], terminal: &mut Terminal) -> Result<(), CliError> {
        for message in messages {
            let is_complete = self.messages.iter().any(|complete| complete.id == message.id);
            if !is_complete && message.role != Some(MessageRole::User) {
                self.complete(message, terminal)?;
            }
        }
        // The snapshots have the order of the run.
        let position = |id: &str| messages.iter().position(|message| message.id == id);
        self.messages.sort_by_key(|message| position(&message.id));
        Ok(())
    }
}
