//! Where requests go: a base URL that paths can be appended to, and that the key may go to.

use reqwest::Url;

use crate::error::{Error, ErrorKind, Result};

pub(crate) fn configuration(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

/// A base URL that paths can be appended to, but for slashes at its end.
pub(crate) fn checked(text: &str, allow_plain_http: bool) -> Result<Url> {
    // What was given may have a password in it: messages name the fault only.
    let url = Url::parse(text.trim())
        .map_err(|error| configuration(format!("the base URL is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(configuration(
            "the base URL must begin with `https://` or `http://` and name a host",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(configuration(
            "the base URL has a user or a password in it; use the API key instead",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(configuration(
            "the base URL has a query or a fragment, but paths are appended to it; give a query with `query`",
        ));
    }
    if url.scheme() == "http" && !allow_plain_http && !is_loopback(&url) {
        return Err(configuration(
            "the base URL is plain http to another machine, which shows the key to everybody on the way; \
             use https, or allow it with `allow_plain_http(true)`",
        ));
    }
    Ok(url)
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Follows what leaves the request as it is: a key must not go to somebody else, and after 301, 302
/// or 303 a POST would go on as a GET, which does nothing and still succeeds.
pub(crate) fn follow_on_same_host(
    attempt: reqwest::redirect::Attempt<'_>,
) -> reqwest::redirect::Action {
    let unchanged = matches!(attempt.status().as_u16(), 307 | 308);
    let next = attempt.url();
    let same = attempt.previous().iter().all(|url| {
        url.scheme() == next.scheme()
            && url.host_str() == next.host_str()
            && url.port_or_known_default() == next.port_or_known_default()
    });
    if !same || !unchanged || attempt.previous().len() > 5 {
        attempt.stop()
    } else {
        attempt.follow()
    }
}

/// A URL with a path appended, if it has none of its own.
pub(crate) fn with_path(url: String, path: &str) -> String {
    let bare = Url::parse(url.trim()).is_ok_and(|parsed| matches!(parsed.path(), "" | "/"));
    if bare { format!("{}/{path}", url.trim().trim_end_matches('/')) } else { url }
}
