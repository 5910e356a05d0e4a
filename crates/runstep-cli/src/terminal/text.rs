//! Text of models and servers, made safe for a terminal.
//!
//! Such text can contain control sequences, which move the cursor, change the title or hide other
//! text. Those characters are shown as escapes, such as `\u{1b}`.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr as _;

/// Returns whether a terminal would interpret a character, or order the text around it differently.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns a text with its line breaks and tabs. Carriage returns are removed.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |letter| matches!(letter, '\n' | '\t'))
}

/// Returns a text on one line: line breaks and tabs become spaces.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    match text.contains(['\n', '\t', '\r']) {
        true => {
            let words: Vec<&str> = text.split_whitespace().collect();
            Cow::Owned(escape(&words.join(" "), |_| false).into_owned())
        }
        false => escape(text, |_| false),
    }
}

/// Returns a text in which every control character is an escape, also line breaks. Nothing is removed.
pub(crate) fn verbatim(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_unsafe(letter) {
            true => escaped.extend(letter.escape_unicode()),
            false => escaped.push(letter),
        }
    }
    escaped
}

/// Returns a text on one line, truncated to a number of columns.
pub(crate) fn excerpt(text: &str, max_columns: usize) -> String {
    let line = line(text);
    if line.width() <= max_columns {
        return line.into_owned();
    }
    let mut excerpt = String::new();
    for letter in line.chars() {
        excerpt.push(letter);
        if excerpt.width() >= max_columns {
            excerpt.pop();
            break;
        }
    }
    excerpt.push('…');
    excerpt
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|letter| is_unsafe(letter) && !keep(letter)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\r' => {}
            letter if is_unsafe(letter) && !keep(letter) => escaped.extend(letter.escape_unicode()),
            letter => escaped.push(letter),
        }
    }
    Cow::Owned(escaped)
}

/// Returns JSON in which no character is unsafe. Unsafe characters within strings become `\u` escapes,
/// so that the value stays the same.
pub(crate) fn json(json: String) -> String {
    if !json.chars().any(|letter| is_unsafe(letter) && letter != '\n') {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        match letter {
            letter if is_unsafe(letter) && letter != '\n' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_shown_as_escapes() {
        assert_eq!(lines("a\u{1b}[2Jb\r\n\tc\u{9b}"), "a\\u{1b}[2Jb\n\tc\\u{9b}");
        assert_eq!(verbatim("a\r\nb\u{1b}"), "a\\u{d}\\u{a}b\\u{1b}");
        assert_eq!(line("a\nb\u{7}\u{202e}"), "a b\\u{7}\\u{202e}");
        assert_eq!(lines("Ünïcode 🦀"), "Ünïcode 🦀");
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ "text": "\u{1b}[0m\u{9b}\u{202e}é\n" });
        let text = json(value.to_string());
        assert!(text.chars().all(|letter| !is_unsafe(letter)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn excerpts_have_the_width_of_their_columns() {
        assert_eq!(excerpt("abcdef", 6), "abcdef");
        assert_eq!(excerpt("abcdefg", 6), "abcde…");
        assert_eq!(excerpt("日本語日本語", 6), "日本…");
    }
}
