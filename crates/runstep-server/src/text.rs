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
