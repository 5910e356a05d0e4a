//! Routes of files, uploads, vector stores and models, which the model's provider has. Bodies are
//! passed on as they arrive.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{OriginalUri, Request, State};
use axum::http::header::{
    ACCEPT, ALLOW, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, RANGE, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde_json::{Value, json};

use super::error::ApiError;
use super::response::JsonText;
use super::state::ServerState;
use super::upstream_ownership::{self as ownership, Access};
use crate::engine::Engine;
use crate::model::UpstreamResources;

/// The collections that the provider has.
const COLLECTIONS: [&str; 4] = ["files", "uploads", "vector_stores", "models"];
/// The methods that are passed on, apart from those for models, which can only be read.
const METHODS: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];
/// How many pages of a list can have only objects of other keys.
const MAX_SKIPPED_PAGES: usize = 20;
/// The headers of requests that are passed on.
const REQUEST_HEADERS: [HeaderName; 7] = [
    ACCEPT,
    CONTENT_ENCODING,
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
    let name = route.strip_prefix('/')?.split('/').next()?;
    COLLECTIONS.into_iter().find(|collection| *collection == name)
}

/// What a path names.
struct Target<'a> {
    segments: Vec<&'a str>,
    query: String,
}

impl<'a> Target<'a> {
    /// Parses a path. Segments are ids and names, so that none leads to another endpoint.
    fn parse(path: &'a str, query: Option<&'a str>) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        let is_segment =
            |segment: &&str| !["", ".", ".."].contains(segment) && segment.bytes().all(is_allowed);
        // The version that clients of Azure ask for is not one of the provider's.
        let query = query.unwrap_or_default().split('&');
        let query = query.filter(|pair| !pair.starts_with("api-version=")).collect::<Vec<_>>();
        segments.iter().all(is_segment).then(|| Self { segments, query: query.join("&") })
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
        if self.query.is_empty() { path } else { format!("{path}?{}", self.query) }
    }

    /// Returns the path of the page after an id.
    fn page_after(&self, id: &str) -> String {
        let query = form_urlencoded::parse(self.query.as_bytes());
        let kept = query.filter(|(name, _)| !["after", "before"].contains(&name.as_ref()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair("after", id);
        format!("/{}?{}", self.segments.join("/"), query.finish())
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
    OriginalUri(original): OriginalUri,
    request: Request,
) -> Result<Response, ApiError> {
    let engine = state.access.engine(request.headers())?;
    let (method, uri, path) = (request.method().clone(), request.uri().clone(), original.path());
    let Some(target) = Target::parse(uri.path(), uri.query()) else {
        return Err(ApiError::UnknownPath(method, path.to_owned()));
    };
    let is_model = target.segments.first() == Some(&"models");
    let methods = if is_model { [Method::GET, Method::HEAD].as_slice() } else { &METHODS };
    if !methods.contains(&method) {
        let allowed = if is_model { "GET,HEAD" } else { "GET,HEAD,POST,DELETE" };
        let error = ApiError::UnknownMethod(method, path.to_owned());
        return Ok(([(ALLOW, HeaderValue::from_static(allowed))], error).into_response());
    }
    let Some(upstream) = engine.upstream_resources() else {
        return Err(ApiError::NoUpstreamResources(path.to_owned()));
    };
    let access = Access::new(&method, &target.segments);
    ownership::check_path(engine, access).await?;
    let is_restricted = engine.is_restricted() && access != Access::Shared;
    let (parts, mut body) = request.into_parts();
    let mut headers = passed_on(&parts.headers, &REQUEST_HEADERS);
    let names_files = target.segments.first() == Some(&"vector_stores");
    if is_restricted && names_files && method == Method::POST {
        let checked = ownership::check_body(engine, body, state.limits.max_body_bytes).await?;
        headers.insert(CONTENT_LENGTH, HeaderValue::from(checked.len()));
        body = checked.into();
    }
    // A response to HEAD has no body to change.
    let access = (is_restricted && method != Method::HEAD).then_some(access);
    let exchange = Exchange { upstream, engine, access, target };
    exchange.send(method, headers, body).await
}

/// A request to the provider.
struct Exchange<'a> {
    upstream: UpstreamResources,
    engine: &'a Engine,
    /// How the request uses objects that belong to keys.
    access: Option<Access<'a>>,
    target: Target<'a>,
}

impl Exchange<'_> {
    /// Sends the request, and returns the response for the client.
    async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response, ApiError> {
        let body = match body.is_end_stream() {
            true => reqwest::Body::default(),
            false => reqwest::Body::wrap_stream(body.into_data_stream()),
        };
        let path = self.target.upstream_path();
        let response = self.fetch(method, &path, headers.clone(), body).await?;
        let status = response.status();
        if !status.is_success() {
            return Ok(response);
        }
        let is_file = self.target.segments.len() == 2 && self.target.container_file().is_some();
        match self.access {
            Some(Access::List) => self.own_objects(response, headers).await,
            Some(access @ (Access::Create | Access::Complete { .. } | Access::Delete { .. })) => {
                let object = ownership::read_json(response.into_body()).await?;
                ownership::record(self.engine, access, &object).await?;
                let object = if is_file { self.file_object(&object) } else { object };
                Ok(JsonText(object.to_string().into()).into_response())
            }
            _ if is_file => {
                let file = ownership::read_json(response.into_body()).await?;
                Ok(JsonText(self.file_object(&file).to_string().into()).into_response())
            }
            _ => Ok(response),
        }
    }

    /// Sends a request, and returns the response as the provider sends it.
    async fn fetch(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: reqwest::Body,
    ) -> Result<Response, ApiError> {
        let response = self.upstream.send(method, path, headers, body).await;
        let response = response.map_err(|error| ApiError::Upstream(error.message))?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            // The client's key was accepted. The provider's message may repeat a part of the server's.
            let message = "The model's provider rejected the key of this server.";
            return Err(ApiError::Upstream(message.to_owned()));
        }
        let headers = passed_on(response.headers(), &RESPONSE_HEADERS);
        let body = Body::from_stream(response.bytes_stream());
        let mut response = (status, body).into_response();
        response.headers_mut().extend(headers);
        Ok(response)
    }

    /// Returns a list without the objects of other keys. A page that has only theirs is followed by
    /// the next one.
    async fn own_objects(
        &self,
        response: Response,
        headers: HeaderMap,
    ) -> Result<Response, ApiError> {
        let mut list = ownership::read_json(response.into_body()).await?;
        let mut skipped = 0;
        while let Some(after) = ownership::filter(self.engine, &mut list).await? {
            if skipped == MAX_SKIPPED_PAGES {
                break;
            }
            skipped += 1;
            let path = self.target.page_after(&after);
            let body = reqwest::Body::default();
            let next = self.fetch(Method::GET, &path, headers.clone(), body).await?;
            if !next.status().is_success() {
                return Ok(next);
            }
            list = ownership::read_json(next.into_body()).await?;
        }
        Ok(JsonText(list.to_string().into()).into_response())
    }

    /// Returns a file of a container, or its deletion, as a file object.
    fn file_object(&self, file: &Value) -> Value {
        let id = self.target.segments.get(1);
        if file.get("deleted") == Some(&Value::Bool(true)) {
            return json!({"id": id, "object": "file", "deleted": true});
        }
        let path = file.get("path").and_then(Value::as_str).unwrap_or_default();
        json!({
            "id": id,
            "object": "file",
            "bytes": file.get("bytes"),
            "created_at": file.get("created_at"),
            "filename": path.rsplit('/').next(),
            "purpose": "assistants_output",
            "status": "processed",
        })
    }
}

fn passed_on(headers: &HeaderMap<HeaderValue>, names: &[HeaderName]) -> HeaderMap<HeaderValue> {
    let values = names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    values.collect()
}
