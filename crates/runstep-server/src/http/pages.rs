//! Keeps web pages out of a server without keys: a browser on this machine reaches it for any of
//! them, also under a name of their own that leads here.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;

use super::Origins;
use super::error::ApiError;

/// What a server without keys goes by.
pub(super) struct Pages {
    pub(super) origins: Arc<Origins>,
    /// Whether only this machine can reach it, and so only under a name of this machine.
    pub(super) is_local: bool,
}

pub(super) async fn keep_out(
    State(pages): State<Arc<Pages>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    if let Some(origin) = headers.get_all(ORIGIN).iter().find(|one| !pages.origins.allow(one)) {
        return Err(ApiError::forbidden_origin(&String::from_utf8_lossy(origin.as_bytes())));
    }
    if pages.is_local {
        let hosts =
            headers.get_all(HOST).iter().map(|host| String::from_utf8_lossy(host.as_bytes()));
        let target = request.uri().authority().map(|authority| authority.as_str().into());
        if let Some(host) = hosts.chain(target).find(|host| !is_of_this_machine(host)) {
            return Err(ApiError::forbidden_host(&host));
        }
    }
    Ok(next.run(request).await)
}

/// Whether a host, with or without a port, is no name that leads here by chance.
fn is_of_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
