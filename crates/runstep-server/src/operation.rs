//! The operations of the API.

use axum::http::Method;

pub use runstep_api::Operation;

/// Returns the operation of a route, with or without the `/v1` prefix.
pub(crate) fn from_route(method: &Method, route: &str) -> Option<Operation> {
    Operation::from_route(method, route.strip_prefix("/v1").unwrap_or(route))
}
