//! The secrets of the connection, which errors must not show. Providers repeat keys in their errors.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

/// What is shown in place of a secret.
const REPLACEMENT: &str = "[secret]";
/// Secrets of fewer characters are replaced only as whole words: within words they are a coincidence.
const MIN_WITHIN_WORDS: usize = 6;
/// The start of a secret that is cut off by `…` is replaced from this number of characters on.
const MIN_CUT_OFF: usize = 3;

/// The secrets of the connection, shared by all that print errors.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<Mutex<Vec<String>>>);

/// The secrets themselves are left out.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Secrets {
    /// Adds a secret, also as it is within JSON.
    pub(crate) fn add(&self, secret: &str) {
        let secret = secret.trim();
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let json = serde_json::Value::from(secret).to_string();
        for form in [secret, json.trim_matches('"')] {
            if !form.is_empty() && !secrets.iter().any(|known| known == form) {
                secrets.push(form.to_owned());
            }
        }
        // A part of a secret must not remain when another secret contains it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// Adds the value of a header, and its words: a provider may repeat the key without its scheme.
    pub(crate) fn add_header(&self, value: &str) {
        self.add(value);
        for word in value.split([' ', '\t', ';', ',']) {
            let pair = word.split_once('=').map(|(_, value)| value);
            for part in [Some(word), pair].into_iter().flatten() {
                if part.chars().count() >= MIN_WITHIN_WORDS {
                    self.add(part);
                }
            }
        }
    }

    /// Returns a text without the secrets.
    pub(crate) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(Cow::Borrowed(text), |text, secret| {
            let text = match replace(&text, secret) {
                Some(replaced) => Cow::Owned(replaced),
                None => text,
            };
            match replace_cut_off(&text, secret) {
                Some(replaced) => Cow::Owned(replaced),
                None => text,
            }
        })
    }
}

/// Replaces a secret, or returns `None` if the text does not contain it.
fn replace(text: &str, secret: &str) -> Option<String> {
    let is_short = secret.chars().count() < MIN_WITHIN_WORDS;
    let mut replaced = String::new();
    let mut end = 0;
    for (start, found) in text.match_indices(secret) {
        let after = start + found.len();
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let (before, rest) = (text.get(..start)?, text.get(after..)?);
        if is_short && (before.ends_with(is_word) || rest.starts_with(is_word)) {
            continue;
        }
        replaced.push_str(text.get(end..start)?);
        replaced.push_str(REPLACEMENT);
        end = after;
    }
    if end == 0 {
        return None;
    }
    replaced.push_str(text.get(end..)?);
    Some(replaced)
}

/// Replaces the start of a secret before each `…`, with which long texts end.
fn replace_cut_off(text: &str, secret: &str) -> Option<String> {
    let mut replaced = String::new();
    let mut end = 0;
    for (cut, _) in text.match_indices('…') {
        let before = text.get(end..cut)?;
        let starts = secret.char_indices().map(|(index, _)| index).skip(MIN_CUT_OFF);
        let starts = starts.filter_map(|length| secret.get(..length));
        if let Some(start) = starts.filter(|start| before.ends_with(start)).last() {
            replaced.push_str(before.strip_suffix(start)?);
            replaced.push_str(REPLACEMENT);
            end = cut;
        }
    }
    if end == 0 {
        return None;
    }
    replaced.push_str(text.get(end..)?);
    Some(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(secret: &str, text: &str) -> String {
        let secrets = Secrets::default();
        secrets.add_header(secret);
        secrets.hide(text).into_owned()
    }

    #[test]
    fn secrets_are_replaced_everywhere() {
        assert_eq!(hidden("sk-12345", "a sk-12345, xsk-12345y"), "a [secret], x[secret]y");
        assert_eq!(hidden("Bearer sk-12345", "key sk-12345 is wrong"), "key [secret] is wrong");
        assert_eq!(hidden("sid=abcdefg; a=b", "cookie abcdefg"), "cookie [secret]");
        assert_eq!(hidden("a\"b\\cdef", r#"{"key":"a\"b\\cdef"}"#), r#"{"key":"[secret]"}"#);
        assert_eq!(hidden("", "nothing is set"), "nothing is set");
    }

    #[test]
    fn short_secrets_are_replaced_as_words() {
        assert_eq!(hidden("k", "wrong key: Bearer k"), "wrong key: Bearer [secret]");
        assert_eq!(hidden("é", "é, née"), "[secret], née");
    }

    #[test]
    fn starts_of_secrets_before_an_ellipsis_are_replaced() {
        assert_eq!(hidden("sk-12345", "wrong key sk-12…"), "wrong key [secret]…");
        assert_eq!(hidden("sk-12345", "a… sk-1234… (status 401)"), "a… [secret]… (status 401)");
        assert_eq!(hidden("sk-12345", "tasks…"), "tasks…");
    }

    #[test]
    fn the_longest_secret_is_replaced_first() {
        let secrets = Secrets::default();
        secrets.add("abcdef");
        secrets.add("abcdefgh");
        assert_eq!(secrets.hide("abcdefgh abcdef"), "[secret] [secret]");
    }
}
