//! Cross-origin requests of web pages (CORS).

use axum::http::{HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::request_context::REQUEST_ID;
use super::response::POLL_AFTER;
use crate::error::StartError;

/// The origins whose pages can call the server.
pub(crate) enum AllowedOrigins {
    Any,
    Listed(Vec<HeaderValue>),
}

impl AllowedOrigins {
    pub(crate) fn new(origins: &[String]) -> Result<Self, StartError> {
        if origins.iter().any(|origin| origin == "*") {
            return Ok(Self::Any);
        }
        let origins: Result<Vec<HeaderValue>, StartError> =
            origins.iter().map(|origin| parse(origin)).collect();
        Ok(Self::Listed(origins?))
    }

    pub(super) fn contains(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.contains(origin),
        }
    }

    /// Returns the middleware that answers preflight requests and sets the CORS headers.
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
            // Official clients send headers of their own with every request.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(exposed);
        Some(layer.allow_origin(allowed))
    }
}

/// Parses an origin as browsers send it: scheme, host, and port unless it is the default one.
fn parse(origin: &str) -> Result<HeaderValue, StartError> {
    let invalid = || StartError::Origin(origin.to_owned());
    let uri: Uri = origin.parse().map_err(|_| invalid())?;
    let is_complete = uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty());
    // An origin has no path, not even a slash, and no query.
    if !is_complete || origin.matches('/').count() != 2 || origin.contains(['?', '@']) {
        return Err(invalid());
    }
    HeaderValue::from_str(&origin.to_ascii_lowercase()).map_err(|_| invalid())
}
