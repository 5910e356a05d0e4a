//! What replies say in their headers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{CONTENT_LOCATION, DATE, HeaderMap, RETRY_AFTER};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The request id, by the names that servers give it.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    text(headers, "x-request-id").or_else(|| text(headers, "apim-request-id"))
}

/// Which object the reply is about, as a URL or a path.
pub(crate) fn content_location(headers: &HeaderMap) -> Option<&str> {
    text(headers, CONTENT_LOCATION.as_str())
}

/// When the reply was made, in seconds since the Unix epoch.
pub(crate) fn date(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(text(headers, DATE.as_str())?).ok()?;
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// When to come back: `retry-after-ms`, else `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(milliseconds) =
        text(headers, "retry-after-ms").and_then(|text| text.parse::<f64>().ok())
    {
        return duration(milliseconds / 1000.0);
    }
    let text = text(headers, RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse::<f64>() {
        return duration(seconds);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

/// What the server says of sending the request again.
pub(crate) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match text(headers, "x-should-retry")? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// When to look at a run again.
pub(crate) fn poll_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = text(headers, "openai-poll-after-ms").and_then(|text| text.parse::<f64>().ok());
    asked.and_then(|milliseconds| duration(milliseconds / 1000.0)).or_else(|| retry_after(headers))
}
