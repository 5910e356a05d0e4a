//! Routes of files, uploads, vector stores and models, which the model's provider has. Bodies are
//! passed on as they arrive.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::header::{
    ACCEPT, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde::Deserialize;
use serde_json::json;

use super::error::ApiError;
use super::response::JsonText;
use super::state::ServerState;
use crate::model::UpstreamResources;

/// The collections that the provider has.
const COLLECTIONS: [&str; 4] = ["files", "uploads", "vector_stores", "models"];
/// How much of a JSON response is read if the server has to change it.
const MAX_JSON_BYTES: usize = 8 * 1024 * 1024;
/// The headers of requests that are passed on.
const REQUEST_HEADERS: [HeaderName; 6] = [
    ACCEPT,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    RANGE,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("openai-beta"),
];
/// The headers of responses that are passed on.
const RESPONSE_HEADERS: [HeaderName; 6] = [
    CONTENT_DISPOSITION,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    RETRY_AFTER,
    HeaderName::from_static("openai-processing-ms"),
];

pub(super) fn routes() -> Router<Arc<ServerState>> {
    COLLECTIONS.into_iter().fold(Router::new(), |routes, collection| {
        routes
            .route(&format!("/{collection}"), any(forward))
            .route(&format!("/{collection}/{{*rest}}"), any(forward))
    })
}

/// Returns the collection of a route, which names the operation in logs and metrics.
pub(super) fn collection(route: &str) -> Option<&'static str> {
    let route = route.strip_prefix("/v1").unwrap_or(route);
    let name = route.strip_prefix('/')?.split('/').next()?;
    COLLECTIONS.into_iter().find(|collection| *collection == name)
}

/// What a path names.
struct Target<'a> {
    segments: Vec<&'a str>,
    query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Parses a path. Segments are ids and names, so that none leads to another endpoint.
    fn parse(path: &'a str, query: Option<&'a str>) -> Option<Self> {
        let path = path.strip_prefix("/v1").unwrap_or(path);
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        let is_segment =
            |segment: &&str| !["", ".", ".."].contains(segment) && segment.bytes().all(is_allowed);
        segments.iter().all(is_segment).then_some(Self { segments, query })
    }

    /// Returns the path at the provider. The id of a file in a container has both ids.
    fn upstream_path(&self) -> String {
        let path = match (self.segments.as_slice(), self.container_file()) {
            ([_, _, rest @ ..], Some((container, file))) => {
                let rest = rest.iter().map(|segment| format!("/{segment}"));
                format!("/containers/{container}/files/{file}{}", rest.collect::<String>())
            }
            (segments, _) => format!("/{}", segments.join("/")),
        };
        match self.query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        }
    }

    /// Returns the ids of a file in a container.
    fn container_file(&self) -> Option<(&str, &str)> {
        match self.segments.as_slice() {
            ["files", id, ..] => id.split_once('.'),
            _ => None,
        }
    }
}

async fn forward(
    State(state): State<Arc<ServerState>>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Result<Response, ApiError> {
    let engine = state.access.engine(request.headers())?;
    let (method, path) = (request.method().clone(), uri.path());
    let Some(target) = Target::parse(path, uri.query()) else {
        return Err(ApiError::UnknownPath(method, path.to_owned()));
    };
    let is_model = target.segments.first() == Some(&"models");
    let methods = if is_model { [Method::GET, Method::HEAD].as_slice() } else { &METHODS };
    if !methods.contains(&method) {
        return Err(ApiError::UnknownMethod(method, path.to_owned()));
    }
    let Some(upstream) = engine.upstream_resources() else {
        return Err(ApiError::NoUpstreamResources(path.to_owned()));
    };
    send(&upstream, method, &target, request).await
}

const METHODS: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];

/// Sends a request to the provider, and returns its response.
async fn send(
    upstream: &UpstreamResources,
    method: Method,
    target: &Target<'_>,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = passed_on(request.headers(), &REQUEST_HEADERS);
    let body = request.into_body();
    let body = match body.is_end_stream() {
        true => reqwest::Body::default(),
        false => reqwest::Body::wrap_stream(body.into_data_stream()),
    };
    let path = target.upstream_path();
    let response = upstream.send(method, &path, headers, body).await;
    let response = response.map_err(|error| ApiError::Upstream(error.message))?;
    let status = response.status();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        // The client's key was accepted. The provider's message may repeat a part of the server's.
        let message = "The model's provider rejected the key of this server.";
        return Err(ApiError::Upstream(message.to_owned()));
    }
    let headers = passed_on(response.headers(), &RESPONSE_HEADERS);
    let body = Body::from_stream(response.bytes_stream());
    let is_file = target.segments.len() == 2 && target.container_file().is_some();
    if is_file && status.is_success() {
        return file_object(target, body).await;
    }
    let mut response = (status, body).into_response();
    response.headers_mut().extend(headers);
    Ok(response)
}

fn passed_on(headers: &HeaderMap<HeaderValue>, names: &[HeaderName]) -> HeaderMap<HeaderValue> {
    let values = names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    values.collect()
}

/// A file in a container, or its deletion.
#[derive(Deserialize)]
struct ContainerFile {
    #[serde(default)]
    deleted: bool,
    bytes: Option<u64>,
    created_at: Option<u64>,
    path: Option<String>,
}

/// Returns a file of a container as a file object.
async fn file_object(target: &Target<'_>, body: Body) -> Result<Response, ApiError> {
    let invalid = || ApiError::Upstream("The model's provider returned no file.".to_owned());
    let body = to_bytes(body, MAX_JSON_BYTES).await.map_err(|_| invalid())?;
    let file: ContainerFile = serde_json::from_slice(&body).map_err(|_| invalid())?;
    let id = target.segments.get(1);
    let object = match file.deleted {
        true => json!({"id": id, "object": "file", "deleted": true}),
        false => json!({
            "id": id,
            "object": "file",
            "bytes": file.bytes,
            "created_at": file.created_at,
            "filename": file.path.unwrap_or_default().rsplit('/').next(),
            "purpose": "assistants_output",
            "status": "processed",
        }),
    };
    Ok(JsonText(object.to_string().into()).into_response())
}
