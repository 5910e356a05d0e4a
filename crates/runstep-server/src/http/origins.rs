//! Which web pages may ask (CORS).

use axum::http::{HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::observe::REQUEST_ID;
use super::reply::POLL_AFTER;
use crate::server::StartError;

/// The origins whose pages may ask; none unless told.
pub(crate) enum Origins {
    Any,
    Listed(Vec<HeaderValue>),
}

impl Origins {
    pub(crate) fn new(origins: &[String]) -> Result<Self, StartError> {
        if origins.iter().any(|origin| origin == "*") {
            return Ok(Self::Any);
        }
        let values: Result<Vec<HeaderValue>, StartError> =
            origins.iter().map(|origin| value(origin)).collect();
        Ok(Self::Listed(values?))
    }

    /// Whether pages of this one may ask.
    pub(super) fn allow(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.contains(origin),
        }
    }

    /// What answers browsers that ask first, and tells them who may read a reply.
    pub(super) fn layer(&self) -> Option<CorsLayer> {
        let allowed = match self {
            Self::Any => AllowOrigin::any(),
            Self::Listed(origins) if origins.is_empty() => return None,
            Self::Listed(origins) => AllowOrigin::list(origins.clone()),
        };
        let exposed = [
            HeaderName::from_static(REQUEST_ID),
            HeaderName::from_static(POLL_AFTER),
            axum::http::header::RETRY_AFTER,
            axum::http::header::CONTENT_LOCATION,
        ];
        let layer = CorsLayer::new()
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            // Clients send some of their own with every request.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(exposed);
        Some(layer.allow_origin(allowed))
    }
}

/// An origin as browsers write it: a scheme and a host, and a port unless it is the usual one.
fn value(origin: &str) -> Result<HeaderValue, StartError> {
    let refused = || StartError::Origin(origin.to_owned());
    let uri: Uri = origin.parse().map_err(|_| refused())?;
    let complete = uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty());
    // An origin has no path, not even a slash, and nothing after it.
    if !complete || origin.matches('/').count() != 2 || origin.contains(['?', '@']) {
        return Err(refused());
    }
    HeaderValue::from_str(&origin.to_ascii_lowercase()).map_err(|_| refused())
}
