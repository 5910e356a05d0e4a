//! Descriptions as doc comments: prose from any vendor must not warn, or run as a test.

/// The lines of a doc comment, each with the space that goes before it.
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

/// A line of prose. Four spaces before it would make it code, and what is in angle brackets HTML;
/// a bare address becomes a link.
fn prose(line: &str) -> String {
    let text = line.trim_start();
    let indent = (line.len() - text.len()).min(2);
    let mut written = " ".repeat(indent);
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            written.push(' ');
        }
        let bare = word.starts_with("http://") || word.starts_with("https://");
        let address = word.trim_end_matches(['.', ',', ';', ':', ')']);
        if bare {
            written
                .push_str(&format!("<{address}>{}", word.get(address.len()..).unwrap_or_default()));
        } else if word.contains('`') {
            written.push_str(word);
        } else {
            written.push_str(&word.replace('<', "&lt;"));
        }
    }
    written
}
