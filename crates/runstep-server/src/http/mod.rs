//! The API over HTTP.

mod access;
mod error;
mod events;
mod health;
mod input;
mod observe;
mod operation;
mod origins;
mod pages;
mod reply;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware;
use tokio::sync::Semaphore;

use crate::faults::{self, Faults};
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::schema::Schemas;
use crate::server::{Limits, Shutdown};
pub(crate) use access::Access;
pub(crate) use error::ApiError;
pub use operation::Operation;
pub(crate) use origins::Origins;
use pages::Pages;

/// What every handler has at hand.
pub(crate) struct App {
    access: Access,
    schemas: &'static Schemas,
    limits: Limits,
    poll_after: Duration,
    shutdown: Shutdown,
    metrics: Arc<Metrics>,
    ids: Ids,
    /// A permit for each stream that may be opened.
    streams: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        access: Access,
        schemas: &'static Schemas,
        limits: Limits,
        poll_after: Duration,
        shutdown: Shutdown,
        metrics: Arc<Metrics>,
    ) -> Self {
        let streams = Arc::new(Semaphore::new(limits.open_streams.min(Semaphore::MAX_PERMITS)));
        let ids = Ids::default();
        Self { access, schemas, limits, poll_after, shutdown, metrics, ids, streams }
    }

    fn new_request_id(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.ids.next("req")).ok()
    }
}

/// All routes, those of the API under `/` and under `/v1` alike. `is_local` tells that only this
/// machine can reach them.
pub(crate) fn router(app: App, origins: Origins, is_local: bool, faults: Faults) -> Router {
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
        .layer(middleware::from_fn_with_state(faults, faults::make));
    let router = if app.access.is_open() {
        let pages = Arc::new(Pages { origins: Arc::clone(&origins), is_local });
        router.layer(middleware::from_fn_with_state(pages, pages::keep_out))
    } else {
        router
    };
    let router = router.layer(middleware::from_fn_with_state(Arc::clone(&app), observe::observe));
    let router = match origins.layer() {
        Some(origins) => router.layer(origins),
        None => router,
    };
    router.with_state(app)
}
