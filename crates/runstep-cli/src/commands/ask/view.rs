//! Prints the text of an answer while it is generated.

use runstep::RunEvent;
use runstep::types::{Message, MessageContent};

use crate::error::CliError;
use crate::follow::View;
use crate::terminal::Terminal;

/// Prints the messages of a run.
#[derive(Default)]
pub(crate) struct AnswerView {
    /// The message that is printed, and the length of its printed text.
    current: Option<(String, usize)>,
    messages: Vec<Message>,
}

impl AnswerView {
    /// Returns the completed messages, oldest first.
    pub(crate) fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    fn print(&mut self, id: &str, text: &str, terminal: &mut Terminal) -> Result<(), CliError> {
        if text.is_empty() || terminal.is_json {
            return Ok(());
        }
        match &mut self.current {
            Some((current, printed)) if current == id => *printed += text.len(),
            current => {
                if current.is_some() {
                    terminal.end_line()?;
                    terminal.line("")?;
                }
                *current = Some((id.to_owned(), text.len()));
            }
        }
        terminal.foreign_text(text)
    }

    /// Prints what no delta contained.
    fn complete(&mut self, message: &Message, terminal: &mut Terminal) -> Result<(), CliError> {
        let text = message.text();
        let printed = match &self.current {
            Some((current, printed)) if *current == message.id => *printed,
            _ => 0,
        };
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
}
