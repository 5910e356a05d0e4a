//! Validates the base URL, and restricts where requests may be redirected.

use reqwest::Url;

use crate::error::{Error, ErrorKind, Result};

pub(crate) fn configuration_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

/// Parses a base URL and checks that paths can be appended and that the key may be sent to it.
pub(crate) fn parse(text: &str, allow_plain_http: bool) -> Result<Url> {
    // The URL may contain a password, so messages do not repeat it.
    let url = Url::parse(text.trim()).map_err(|error| {
        let advice = "expected a URL such as `https://api.example.com/v1`";
        configuration_error(format!("invalid base URL: {error}; {advice}"))
    })?;
    let problem = if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        "invalid base URL: expected `https://` or `http://` and a host"
    } else if !url.username().is_empty() || url.password().is_some() {
        "invalid base URL: it contains a user or a password; use the API key instead"
    } else if url.query().is_some() || url.fragment().is_some() {
        "invalid base URL: it has a query or a fragment; set query parameters with `query`"
    } else if url.scheme() == "http" && !allow_plain_http && !is_loopback(&url) {
        "the base URL is plain HTTP to another machine, which exposes the key; use HTTPS, or allow it \
         with `allow_plain_http(true)`"
    } else {
        return Ok(url);
    };
    Err(configuration_error(problem))
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Follows only redirects that preserve the request: to the same origin, which may see the key,
/// and with status 307 or 308, which preserve the method.
pub(crate) fn redirect_action(
    attempt: reqwest::redirect::Attempt<'_>,
) -> reqwest::redirect::Action {
    let preserves_request = matches!(attempt.status().as_u16(), 307 | 308);
    let next = attempt.url();
    let is_same_origin = attempt.previous().iter().all(|url| {
        url.scheme() == next.scheme()
            && url.host_str() == next.host_str()
            && url.port_or_known_default() == next.port_or_known_default()
    });
    if !is_same_origin || !preserves_request || attempt.previous().len() > 5 {
        attempt.stop()
    } else {
        attempt.follow()
    }
}

/// Appends a path to a URL that has none.
pub(crate) fn with_path(url: String, path: &str) -> String {
    let has_no_path = Url::parse(url.trim()).is_ok_and(|parsed| matches!(parsed.path(), "" | "/"));
    if has_no_path { format!("{}/{path}", url.trim().trim_end_matches('/')) } else { url }
}
