//! The causes of connection errors, for messages.

use std::error::Error as _;

use super::body::excerpt;

/// Appends the causes of an error to a message, without those that contain a URL: it may contain
/// credentials.
pub(super) fn with_cause(message: &str, error: &reqwest::Error) -> String {
    let mut sources = Vec::new();
    let mut source = error.source();
    while let Some(inner) = source {
        sources.push(excerpt(&inner.to_string()));
        source = inner.source();
    }
    // The first source only says in which phase the request failed, unless it is the only one.
    let causes =
        if sources.len() > 1 { sources.get(1..).unwrap_or_default() } else { &sources[..] };
    let mut message = message.to_owned();
    let mut last = "";
    for cause in causes.iter().filter(|cause| !contains(cause, "://")) {
        // Wrappers often display the error that they wrap.
        if !contains(last, cause) {
            message.push_str(": ");
            message.push_str(cause);
            last = cause;
        }
    }
    message
}

/// Returns whether a short text contains another one. The search of the standard library is much more code.
fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.as_bytes().windows(part.len()).any(|window| window == part.as_bytes())
}
