//! All routes with their middleware.

use std::sync::Arc;

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use tower::util::{MapRequest, option_layer};

use super::browser_guard::{self, BrowserGuard};
use super::cors::AllowedOrigins;
use super::error::ApiError;
use super::faults::{Faults, inject};
use super::state::ServerState;
use super::{api_path, console_routes, health, request_context, routes, ui, upstream_routes};

/// Returns all routes, those of the API also with the prefixes of [`api_path`]. `is_local` means that
/// the server listens on a loopback address. `has_ui` adds the page.
pub(crate) fn router(
    state: ServerState,
    origins: AllowedOrigins,
    is_local: bool,
    has_ui: bool,
    faults: Option<Faults>,
) -> Router {
    let state = Arc::new(state);
    let cors = origins.layer();
    let guard = state.access.is_open().then(|| {
        from_fn_with_state(Arc::new(BrowserGuard { origins, is_local }), browser_guard::check)
    });
    let routes = Router::new()
        .merge(health::routes())
        .merge(routes::routes())
        .merge(upstream_routes::routes())
        .merge(console_routes::routes())
        .merge(if has_ui { ui::routes() } else { Router::new() })
        .fallback(async |method: Method, OriginalUri(uri): OriginalUri| {
            ApiError::UnknownPath(method, uri.path().to_owned())
        })
        .method_not_allowed_fallback(async |method: Method, OriginalUri(uri): OriginalUri| {
            ApiError::UnknownMethod(method, uri.path().to_owned())
        })
        .layer(option_layer(faults.map(|faults| from_fn_with_state(faults, inject))))
        .layer(option_layer(guard))
        .layer(from_fn_with_state(Arc::clone(&state), request_context::wrap_request))
        .layer(option_layer(cors))
        .with_state(state);
    // The prefix must be gone before the routes are matched.
    Router::new().fallback_service(MapRequest::new(routes, api_path::remove_prefix))
}
