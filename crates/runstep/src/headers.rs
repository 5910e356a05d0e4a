//! Headers of responses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{CONTENT_ENCODING, CONTENT_LOCATION, DATE, HeaderMap, RETRY_AFTER};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim_ascii)
}

/// Returns the request id, from either of the headers that servers use.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    text(headers, "x-request-id").or_else(|| text(headers, "apim-request-id"))
}

/// Returns the URL or path of the object that the response is about.
pub(crate) fn content_location(headers: &HeaderMap) -> Option<&str> {
    text(headers, CONTENT_LOCATION.as_str())
}

/// Returns the content encoding of a response that was not decoded, if it has one.
///
/// An HTTP client that decodes a response removes the header.
pub(crate) fn unsupported_encoding(headers: &HeaderMap) -> Option<&str> {
    let encoding = text(headers, CONTENT_ENCODING.as_str())?;
    (!encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity")).then_some(encoding)
}

/// Returns when the response was created, in seconds since the Unix epoch.
pub(crate) fn date(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(text(headers, DATE.as_str())?).ok()?;
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// Returns the delay before a retry: `retry-after-ms`, or `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(delay) = milliseconds(headers, "retry-after-ms") {
        return Some(delay);
    }
    let text = text(headers, RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(text) {
        return duration(seconds);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Returns the delay before the next poll of a run. A delay of zero counts as not set.
pub(crate) fn poll_after(headers: &HeaderMap) -> Option<Duration> {
    let requested = milliseconds(headers, "openai-poll-after-ms").filter(|delay| !delay.is_zero());
    requested.or_else(|| retry_after(headers).filter(|delay| !delay.is_zero()))
}

/// Returns whether the server requests or forbids a retry.
pub(crate) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match text(headers, "x-should-retry")? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn milliseconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    duration(number(text(headers, name)?)? / 1000.0)
}

/// Parses a number as JSON, because that code is in every program anyway.
fn number(text: &str) -> Option<f64> {
    let significant = text.trim_start_matches('0');
    let mut zeros = text.len() - significant.len();
    if !significant.starts_with(|first: char| first.is_ascii_digit()) {
        zeros = zeros.saturating_sub(1);
    }
    // HTTP allows leading zeros, and JSON does not.
    runstep_api::parse_value(text.get(zeros..)?.as_bytes()).ok()?.as_f64()
}

/// Returns `None` for numbers that are not valid delays: negative ones, and those that are not finite.
fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}
