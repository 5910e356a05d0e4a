//! Headers of responses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{CONTENT_LOCATION, DATE, HeaderMap, RETRY_AFTER};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Returns the request id, from either of the headers that servers use.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    text(headers, "x-request-id").or_else(|| text(headers, "apim-request-id"))
}

/// Returns the URL or path of the object that the response is about.
pub(crate) fn content_location(headers: &HeaderMap) -> Option<&str> {
    text(headers, CONTENT_LOCATION.as_str())
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
    if let Ok(seconds) = text.parse::<f64>() {
        return duration(seconds);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Returns the delay before the next poll of a run.
pub(crate) fn poll_after(headers: &HeaderMap) -> Option<Duration> {
    milliseconds(headers, "openai-poll-after-ms").or_else(|| retry_after(headers))
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
    duration(text(headers, name)?.parse::<f64>().ok()? / 1000.0)
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}
