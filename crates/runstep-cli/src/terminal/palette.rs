//! The styles of the output.

use anstyle::{AnsiColor, Style};
use runstep::types::RunStatus;

/// The styles, or none if colors are disabled.
#[derive(Clone, Copy)]
pub(crate) struct Palette {
    is_enabled: bool,
}

impl Palette {
    pub(crate) fn new(is_enabled: bool) -> Self {
        Self { is_enabled }
    }

    pub(crate) fn is_enabled(self) -> bool {
        self.is_enabled
    }

    fn style(self, style: Style) -> Style {
        if self.is_enabled { style } else { Style::new() }
    }

    fn color(self, color: AnsiColor) -> Style {
        self.style(Style::new().fg_color(Some(color.into())))
    }

    pub(crate) fn bold(self) -> Style {
        self.style(Style::new().bold())
    }

    pub(crate) fn dim(self) -> Style {
        self.style(Style::new().dimmed())
    }

    pub(crate) fn accent(self) -> Style {
        self.color(AnsiColor::Cyan)
    }

    pub(crate) fn warning(self) -> Style {
        self.color(AnsiColor::Yellow)
    }

    pub(crate) fn error(self) -> Style {
        self.color(AnsiColor::Red)
    }

    pub(crate) fn good(self) -> Style {
        self.color(AnsiColor::Green)
    }

    /// Returns the style of a run's status.
    pub(crate) fn run_status(self, status: &RunStatus) -> Style {
        self.status(status.as_ref())
    }

    /// Returns the style of a run's or step's status.
    pub(crate) fn status(self, status: &str) -> Style {
        match status {
            "completed" => self.good(),
            "failed" | "expired" => self.error(),
            "incomplete" | "cancelled" | "cancelling" | "requires_action" => self.warning(),
            "queued" | "in_progress" => self.accent(),
            _ => Style::new(),
        }
    }
}
