//! Error replies as providers send them: the API's own form, its dialects, HTML from a proxy, or
//! nothing at all.

use std::borrow::Cow;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use crate::error::ApiError;

const EXCERPT: usize = 200;

/// Reads what is there; whatever does not fit is none.
pub(crate) fn parse(body: &[u8]) -> ApiError {
    let Ok(reply) = serde_json::from_slice::<Value>(body) else { return ApiError::default() };
    let error = match reply.get("error") {
        Some(Value::String(message)) => {
            return ApiError { message: Some(message.clone()), ..ApiError::default() };
        }
        Some(error) if error.is_object() => error,
        _ => &reply,
    };
    ApiError {
        message: text(error.get("message")),
        kind: text(error.get("type")),
        param: text(error.get("param")),
        code: text(error.get("code")),
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Says what came in place of an error object; `cut` is what there is to say of a body that is not
/// whole.
pub(crate) fn describe(headers: &HeaderMap, body: &[u8], cut: Option<&str>) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if let Some(cut) = cut {
        let came = if text.is_empty() { String::new() } else { format!(": {}", excerpt(text)) };
        return format!("the reply {cut}, after {} bytes{came}", body.len());
    }
    if text.is_empty() {
        return "the reply has no body".to_owned();
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    format!("the reply is no API error ({}): {}", kind.unwrap_or("no content type"), excerpt(text))
}

/// The beginning of a text, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    beginning(&line, EXCERPT).into_owned()
}

/// As many characters of a text as told.
pub(crate) fn beginning(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most).and_then(|(end, _)| text.get(..end)) {
        Some(beginning) => Cow::Owned(format!("{beginning}…")),
        None => Cow::Borrowed(text),
    }
}
