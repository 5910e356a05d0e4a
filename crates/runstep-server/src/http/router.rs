//! All routes with their middleware.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;

use super::app::App;
use super::browser_guard::{self, BrowserGuard};
use super::cors::AllowedOrigins;
use super::error::ApiError;
use super::faults::{Faults, inject};
use super::{health, request_context, routes};

/// Returns all routes, those of the API both under `/` and under `/v1`. `is_local` means that the
/// server listens on a loopback address.
pub(crate) fn router(app: App, origins: AllowedOrigins, is_local: bool, faults: Faults) -> Router {
    let (app, origins) = (Arc::new(app), Arc::new(origins));
    let router = Router::new()
        .merge(health::routes())
        .merge(routes::routes())
        .nest("/v1", routes::routes())
        .fallback(|request: Request| async move {
            ApiError::unknown_path(request.method().as_str(), request.uri().path())
        })
        .method_not_allowed_fallback(|request: Request| async move {
            ApiError::unknown_method(request.method().as_str(), request.uri().path())
        })
        .layer(from_fn_with_state(faults, inject));
    let router = if app.access.is_open() {
        let guard = Arc::new(BrowserGuard { origins: Arc::clone(&origins), is_local });
        router.layer(from_fn_with_state(guard, browser_guard::check))
    } else {
        router
    };
    let router = router.layer(from_fn_with_state(Arc::clone(&app), request_context::layer));
    let router = match origins.layer() {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.with_state(app)
}
