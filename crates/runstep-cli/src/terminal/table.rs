//! Tables whose columns are aligned.

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use super::text;

/// A cell: one line of text with a style.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Creates a cell. Control characters are escaped.
    pub(crate) fn new(content: impl AsRef<str>) -> Self {
        Self { text: text::line(content.as_ref()).into_owned(), style: Style::new() }
    }

    /// Creates a cell, truncated to a number of columns.
    pub(crate) fn excerpt(content: impl AsRef<str>, max_columns: usize) -> Self {
        Self { text: text::excerpt(content.as_ref(), max_columns), style: Style::new() }
    }

    pub(crate) fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }
}

/// Returns the lines of a table. The last column is not padded.
pub(crate) fn lines(rows: &[Vec<Cell>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.text.width()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<Cell>| {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let Cell { text, style } = cell;
            line.push_str(&format!("{style}{text}{style:#}"));
            if index + 1 < row.len() {
                line.push_str(&" ".repeat(width.saturating_sub(text.width()) + 2));
            }
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
