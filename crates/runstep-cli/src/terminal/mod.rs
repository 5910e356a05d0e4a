//! What the program prints: results on standard output, everything else on standard error.
//!
//! Writes block. They are short, and the program has nothing else to do meanwhile.

mod options;
mod palette;
mod progress;
mod prompt;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use crate::error::CliError;
use crate::secrets::Secrets;
use options::Color;
pub(crate) use options::OutputOptions;
pub(crate) use palette::Palette;
pub(crate) use progress::Progress;
pub(crate) use prompt::Prompts;

/// The width of text if the output is not a terminal, in columns.
const DEFAULT_WIDTH: usize = 80;

/// Standard output and standard error.
pub(crate) struct Terminal {
    output: Box<dyn Write + Send>,
    /// Whether results are JSON.
    pub(crate) is_json: bool,
    /// Whether standard output is shown on a terminal, so that control characters are escaped.
    is_terminal: bool,
    is_at_line_start: bool,
    /// The styles of standard output.
    pub(crate) palette: Palette,
    /// The styles of standard error.
    pub(crate) error_palette: Palette,
    pub(crate) prompts: Prompts,
    /// What errors must not show.
    pub(crate) secrets: Secrets,
}

impl Terminal {
    pub(crate) fn new(options: &OutputOptions, secrets: Secrets) -> Self {
        let stdout_color = uses_color(options.color, &io::stdout());
        let is_terminal = io::stdout().is_terminal();
        let output: Box<dyn Write + Send> = match stdout_color {
            // Translates colors for the consoles of Windows that need it.
            true => Box::new(AutoStream::new(io::stdout(), ColorChoice::Always)),
            false => Box::new(io::stdout()),
        };
        Self {
            output,
            is_json: options.json,
            is_terminal: is_terminal || stdout_color,
            is_at_line_start: true,
            palette: Palette::new(stdout_color && !options.json),
            error_palette: Palette::new(uses_color(options.color, &io::stderr())),
            prompts: Prompts::default(),
            secrets,
        }
    }

    /// Returns the width of the terminal in columns.
    pub(crate) fn width(&self) -> usize {
        let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let size = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        set.or_else(size).unwrap_or(DEFAULT_WIDTH).clamp(40, 200)
    }

    /// Starts a line of progress, for a command that prints its results when it is done.
    pub(crate) fn progress(&self, what: &'static str) -> Progress {
        // JSON lines are printed meanwhile, possibly on the same terminal.
        let is_apart = !self.is_json || !io::stdout().is_terminal();
        Progress::start(what, is_apart && io::stderr().is_terminal())
    }

    /// Starts a line of progress, for a command that prints results to a file or meanwhile.
    pub(crate) fn progress_beside(&self, what: &'static str, is_file: bool) -> Progress {
        let is_apart = is_file || !io::stdout().is_terminal();
        Progress::start(what, is_apart && io::stderr().is_terminal())
    }

    fn write(&mut self, text: &str) -> Result<(), CliError> {
        if text.is_empty() {
            return Ok(());
        }
        self.is_at_line_start = text.ends_with('\n');
        let written = self.output.write_all(text.as_bytes());
        written.and_then(|()| self.output.flush()).map_err(CliError::Output)
    }

    /// Prints a line. The caller escapes what comes from elsewhere.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), CliError> {
        self.write(&format!("{line}\n"))
    }

    /// Prints a part of a text from elsewhere, as it is unless the output is shown on a terminal.
    pub(crate) fn foreign_text(&mut self, text: &str) -> Result<(), CliError> {
        match self.is_terminal {
            true => self.write(&text::lines(text)),
            false => self.write(text),
        }
    }

    /// Prints why a run did not complete. The texts of its errors may contain secrets.
    pub(crate) fn reason(&mut self, reason: &str) -> Result<(), CliError> {
        let reason = self.secrets.hide(reason).into_owned();
        self.line(text::lines(&reason))
    }

    /// Ends a line that was begun.
    pub(crate) fn end_line(&mut self) -> Result<(), CliError> {
        match self.is_at_line_start {
            true => Ok(()),
            false => self.write("\n"),
        }
    }

    /// Prints a value as JSON on one line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let json = text::json(serde_json::to_string(value)?);
        self.write(&format!("{json}\n"))
    }

    /// Prints a value as JSON on several lines, for people.
    pub(crate) fn pretty_json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let json = text::json(serde_json::to_string_pretty(value)?);
        self.write(&format!("{json}\n"))
    }

    /// Prints the rows of a table.
    pub(crate) fn table(&mut self, rows: &[Vec<table::Cell>]) -> Result<(), CliError> {
        let lines = table::lines(rows);
        self.write(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    }

    /// Prints a note on standard error. Control characters are escaped.
    pub(crate) fn note(&mut self, note: impl Display) {
        let dim = self.error_palette.dim();
        let note = note.to_string();
        self.error_lines(&format!("{dim}{}{dim:#}", text::lines(&note)));
    }

    /// Prints a warning on standard error.
    pub(crate) fn warning(&mut self, warning: impl Display) {
        let style = self.error_palette.warning();
        let warning = warning.to_string();
        self.error_lines(&format!("{style}warning{style:#}: {}", text::lines(&warning)));
    }

    /// Prints an error, unless it is that the reader of the output closed it.
    pub(crate) fn error(&mut self, error: &CliError) {
        if error.exit() == crate::exit::Exit::BrokenPipe {
            return;
        }
        let style = self.error_palette.error();
        let message = error.to_string();
        let mut lines = format!("{style}error{style:#}: {}", text::lines(&message));
        if let Some(help) = error.help() {
            lines.push_str(&format!("\n  help: {}", text::lines(&help)));
        }
        self.error_lines(&lines);
    }

    /// Prints lines on standard error, below a line that was begun on the same terminal. An error is
    /// ignored: there is no other place to print it.
    fn error_lines(&mut self, lines: &str) {
        if self.is_terminal {
            let _ = self.end_line();
        }
        let choice = match self.error_palette.is_enabled() {
            true => ColorChoice::Always,
            false => ColorChoice::Never,
        };
        let mut stderr = AutoStream::new(io::stderr(), choice);
        let _ = writeln!(stderr, "{}", self.secrets.hide(lines));
    }
}

/// Returns whether a stream shows colors: as the option says, or on a terminal unless `NO_COLOR` is set.
fn uses_color(choice: Color, stream: &impl anstream::stream::RawStream) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => AutoStream::choice(stream) != ColorChoice::Never,
    }
}
