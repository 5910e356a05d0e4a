//! Protects a server without keys from web pages. A browser on the same machine can reach it for
//! any page, even under the page's own host name (DNS rebinding).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;

use super::cors::AllowedOrigins;
use super::error::ApiError;

pub(super) struct BrowserGuard {
    pub(super) origins: AllowedOrigins,
    /// Whether the server listens on a loopback address, and so has only local host names.
    pub(super) is_local: bool,
}

/// Rejects requests with an origin that is not allowed or with a foreign host name.
pub(super) async fn check(
    State(guard): State<Arc<BrowserGuard>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    let mut origins = headers.get_all(ORIGIN).iter();
    if let Some(origin) = origins
        .find(|origin| !guard.origins.contains(origin) && !is_own_origin(origin, headers.get(HOST)))
    {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        return Err(ApiError::ForbiddenOrigin(origin.into_owned()));
    }
    if guard.is_local {
        let hosts =
            headers.get_all(HOST).iter().map(|host| String::from_utf8_lossy(host.as_bytes()));
        let target = request.uri().authority().map(|authority| authority.as_str().into());
        if let Some(host) = hosts.chain(target).find(|host| !is_loopback(host)) {
            return Err(ApiError::ForbiddenHost(host.into_owned()));
        }
    }
    Ok(next.run(request).await)
}

/// Returns whether an origin is that of the server's own page. A host name can be another page's, so
/// it has to be an IP address or `localhost`.
fn is_own_origin(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), host.map(HeaderValue::to_str)) else {
        return false;
    };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let is_named = |host: &str| {
        let name = host.parse::<Authority>().map(|authority| authority.host().to_owned());
        let name = name.unwrap_or_default();
        name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_err()
    };
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        && (!is_named(host) || is_loopback(host))
}

/// Returns whether a host, with or without a port, is `localhost` or a loopback address.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
