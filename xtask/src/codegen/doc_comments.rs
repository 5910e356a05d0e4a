//! Converts descriptions to doc comments: prose from any vendor must not cause warnings, or run as
//! a test.

/// Returns the lines of a doc comment, each with its leading space.
pub fn lines(description: &str) -> Vec<String> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in description.trim().lines() {
        let line = line.trim_end();
        let fence = line.trim_start().starts_with("```");
        let text = match (fence, fenced) {
            (true, false) => "```text".to_owned(),
            (true, true) => "```".to_owned(),
            (false, true) => line.to_owned(),
            (false, false) => prose(line),
        };
        fenced ^= fence;
        lines.push(if text.is_empty() { text } else { format!(" {text}") });
    }
    if fenced {
        lines.push(" ```".to_owned());
    }
    lines
}

/// Escapes a line of prose: rustdoc would take four leading spaces for code, angle brackets for
/// HTML, and a bare URL would cause a warning.
fn prose(line: &str) -> String {
    let text = line.trim_start();
    let indent = (line.len() - text.len()).min(2);
    let mut written = " ".repeat(indent);
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            written.push(' ');
        }
        let is_url = word.starts_with("http://") || word.starts_with("https://");
        let url = word.trim_end_matches(['.', ',', ';', ':', ')']);
        if is_url {
            written.push_str(&format!("<{url}>{}", word.get(url.len()..).unwrap_or_default()));
        } else if word.contains('`') {
            written.push_str(word);
        } else {
            written.push_str(&word.replace('<', "&lt;"));
        }
    }
    written
}
