//! The page that shows threads and runs. Its files are built from `ui/`, and need no key: the page
//! asks for one.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use super::state::ServerState;

/// Only the files of the page, and requests to this server. No inline code or styles.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

struct File {
    path: &'static str,
    media_type: HeaderValue,
    content: &'static [u8],
    tag: HeaderValue,
}

impl File {
    fn new(path: &'static str, media_type: &'static str, content: &'static [u8]) -> Self {
        let hash = Sha256::digest(content);
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let tag = HeaderValue::try_from(format!("\"{hash}\""));
        let tag = tag.unwrap_or(HeaderValue::from_static("\"\""));
        Self { path, media_type: HeaderValue::from_static(media_type), content, tag }
    }

    fn response(&self, request: &HeaderMap) -> Response {
        let is_known = request.get(IF_NONE_MATCH) == Some(&self.tag);
        let mut response = match is_known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => self.content.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.media_type.clone());
        headers.insert(ETAG, self.tag.clone());
        // Another version of the server can have another page.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

static FILES: LazyLock<[File; 4]> = LazyLock::new(|| {
    [
        File::new("/ui/", "text/html; charset=utf-8", include_bytes!("../../ui/dist/index.html")),
        File::new(
            "/ui/app.js",
            "text/javascript; charset=utf-8",
            include_bytes!("../../ui/dist/app.js"),
        ),
        File::new(
            "/ui/app.css",
            "text/css; charset=utf-8",
            include_bytes!("../../ui/dist/app.css"),
        ),
        File::new("/ui/icon.svg", "image/svg+xml", include_bytes!("../../ui/dist/icon.svg")),
    ]
});

/// Returns the routes of the page. Its addresses are relative, so the server can be behind a path of
/// a proxy.
pub(super) fn routes() -> Router<Arc<ServerState>> {
    let to_folder = (StatusCode::PERMANENT_REDIRECT, [(LOCATION, "ui/")]);
    let routes = Router::new().route("/ui", get(async move || to_folder));
    FILES.iter().fold(routes, |routes, file| {
        routes.route(file.path, get(async move |headers: HeaderMap| file.response(&headers)))
    })
}
