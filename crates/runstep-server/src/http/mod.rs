//! The API over HTTP.

mod error;
mod input;
mod reply;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::{self, Next};
use axum::response::Response;

use crate::engine::Engine;
use crate::schema::Schemas;
use error::ApiError;

/// What every handler has at hand.
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) schemas: Schemas,
    pub(crate) poll_after: Duration,
    pub(crate) max_body_bytes: usize,
}

/// All routes, under `/` and under `/v1` alike.
pub(crate) fn router(app: App) -> Router {
    let app = Arc::new(app);
    Router::new()
        .merge(routes::routes())
        .nest("/v1", routes::routes())
        .fallback(|request: Request| async move {
            ApiError::unknown_path(request.method().as_str(), request.uri().path())
        })
        .method_not_allowed_fallback(|request: Request| async move {
            ApiError::unknown_method(request.method().as_str(), request.uri().path())
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), name_request))
        .with_state(app)
}

/// Every reply says by which name the server knows the request.
async fn name_request(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = app.engine.ids.next("req");
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
