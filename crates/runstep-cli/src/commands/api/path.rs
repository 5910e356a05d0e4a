//! Paths of requests.

use crate::error::CliError;
use crate::terminal::text;

/// Returns an id as one segment of a path.
///
/// # Errors
///
/// Returns an error if it is empty or a relative segment, which would address another object.
pub(crate) fn segment(id: &str) -> Result<String, CliError> {
    if id.is_empty() || id.chars().all(|letter| letter == '.') {
        return Err(CliError::Usage(format!("`{}` is not an id", text::line(id))));
    }
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                segment.push(char::from(byte));
            }
            byte => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(segment)
}

/// Returns a path with its parameters replaced. `value` returns the value of a parameter.
pub(crate) fn fill<'a>(
    template: &str,
    value: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, CliError> {
    let mut path = String::new();
    for part in template.split('/').skip(1) {
        path.push('/');
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => path.push_str(&segment(value(name).unwrap_or_default())?),
            None => path.push_str(part),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_within_their_segment() {
        let path = |id: &'static str| fill("/threads/{thread_id}/runs", |_| Some(id));
        assert_eq!(path("thread_1").unwrap(), "/threads/thread_1/runs");
        assert_eq!(path("a/../b?c#d é").unwrap(), "/threads/a%2F..%2Fb%3Fc%23d%20%C3%A9/runs");
        for id in ["", ".", ".."] {
            assert!(path(id).is_err(), "{id}");
        }
    }
}
