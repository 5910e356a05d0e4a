//! Text measured in characters.

use std::borrow::Cow;

/// Splits a text after `count` characters, or at its end.
pub(crate) fn split_at_character(text: &str, count: usize) -> (&str, &str) {
    match text.char_indices().nth(count) {
        Some((position, _)) => text.split_at(position),
        None => (text, ""),
    }
}

/// Truncates a text to `max_characters`, with an ellipsis as the last of them.
pub(crate) fn shorten(text: &str, max_characters: usize) -> Cow<'_, str> {
    match split_at_character(text, max_characters) {
        (_, "") => text.into(),
        (start, _) => {
            let (start, _) = split_at_character(start, max_characters.saturating_sub(1));
            format!("{start}…").into()
        }
    }
}

/// Escapes the characters of a JSON text that are line separators in Unicode. Clients that split
/// event streams with a general function for lines would divide the event there.
pub(crate) fn escape_line_separators(json: &str) -> Cow<'_, str> {
    const SEPARATORS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
    if json.is_ascii() || !json.contains(SEPARATORS) {
        return json.into();
    }
    // In JSON these characters occur only in strings.
    let mut escaped = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if SEPARATORS.contains(&character) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(split_at_character("äöü", 2), ("äö", "ü"));
        assert_eq!(split_at_character("äöü", 3), ("äöü", ""));
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äö…");
        assert_eq!(shorten("", 0), "");
    }
}
