//! Parses error responses: the API's format, dialects of it, HTML from a proxy, or an empty body.

use std::borrow::Cow;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;
use serde_json::value::RawValue;

use super::ApiError;
use crate::headers::unsupported_encoding;

/// Maximum length of an excerpt, in characters.
const MAX_EXCERPT: usize = 200;

/// Extracts the fields of an API error. Fields of other types, and those that [`Value`] cannot hold, are
/// ignored.
pub(crate) fn parse(body: &[u8]) -> ApiError {
    let mut fields = runstep_api::raw_properties(without_mark(body)).unwrap_or_default();
    let error = fields.iter().rfind(|field| field.0 == "error").map(|field| field.1.get());
    if let Some(error) = error {
        if let Ok(Value::String(message)) = runstep_api::parse_value(error.as_bytes()) {
            return ApiError { message: Some(message), ..ApiError::default() };
        }
        if let Ok(inner) = runstep_api::raw_properties(error.as_bytes()) {
            fields = inner;
        }
    }
    ApiError {
        message: text(&fields, "message"),
        kind: text(&fields, "type"),
        param: text(&fields, "param"),
        code: text(&fields, "code"),
    }
}

/// Returns a field that is a text or a number. The last of several with one name counts.
fn text(fields: &[(String, &RawValue)], name: &str) -> Option<String> {
    let json = fields.iter().rfind(|field| field.0 == name)?.1.get();
    match runstep_api::parse_value(json.as_bytes()).ok()? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Describes a response that is not an API error. `truncated` says why the body is incomplete, if it
/// is.
pub(crate) fn describe(headers: &HeaderMap, body: &[u8], truncated: Option<&str>) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if let Some(truncated) = truncated {
        let start = if text.is_empty() { String::new() } else { format!(": {}", excerpt(text)) };
        return format!("the response {truncated} after {} bytes{start}", body.len());
    }
    if text.is_empty() {
        return "the response has no body".to_owned();
    }
    describe_unexpected("an API error", headers, body)
}

/// Describes a response that is not what was expected, with its content type and an excerpt.
pub(crate) fn describe_unexpected(expected: &str, headers: &HeaderMap, body: &[u8]) -> String {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = excerpt(kind.unwrap_or("no content type"));
    let kind = match unsupported_encoding(headers) {
        Some(encoding) => {
            format!("{kind}; the content encoding {} is not supported", excerpt(encoding))
        }
        None => kind,
    };
    let text = excerpt(&String::from_utf8_lossy(body));
    let text = if text.is_empty() { "it has no body" } else { text.as_str() };
    format!("the response is not {expected} ({kind}): {text}")
}

/// Returns the beginning of a text on one line. Control characters are escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let line = join(text.split_whitespace(), " ");
    escape_controls(&truncate(&line, MAX_EXCERPT)).into_owned()
}

/// Joins texts with a separator. The function of the standard library is much more code.
pub(crate) fn join<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, separator: &str) -> String {
    let mut joined = String::new();
    for (index, text) in texts.into_iter().enumerate() {
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text.as_ref());
    }
    joined
}

/// Escapes control characters, which terminals interpret.
pub(crate) fn escape_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Truncates a text to a number of characters.
pub(crate) fn truncate(text: &str, max_characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max_characters).and_then(|(end, _)| text.get(..end)) {
        Some(start) => Cow::Owned(format!("{start}…")),
        None => Cow::Borrowed(text),
    }
}

/// Returns the text after a byte order mark, which some servers send before JSON.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}
