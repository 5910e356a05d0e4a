//! The files and vector stores of a provider.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::upstream::{CallError, Upstream, authorize, read_body};

/// How much of a JSON response is read.
const MAX_JSON_BYTES: usize = 8 * 1024 * 1024;
/// How long to wait for the files of a vector store, as the original API does.
const INDEXING_TIMEOUT: Duration = Duration::from_secs(60);
const INDEXING_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Separates the parts of an upload. Base64-decoded images cannot be expected to contain it.
const BOUNDARY: &str = "runstep-7d1c0f5e9b3a4862";

/// The files, uploads, vector stores and models of the provider of a
/// [`Responses`](super::Responses) model, which the server passes on to its clients.
///
/// Clones share a connection pool.
#[derive(Clone)]
pub struct UpstreamResources {
    upstream: Arc<Upstream>,
    /// Has no timeout for the time in which a long body is sent.
    transfers: reqwest::Client,
}

/// The reason why a request failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ResourceError {
    /// The status, if the provider has rejected the request.
    pub(crate) status: Option<StatusCode>,
    pub(crate) message: String,
}

impl ResourceError {
    fn new(error: CallError) -> Self {
        Self { status: error.status, message: error.model_error.message }
    }
}

impl UpstreamResources {
    pub(super) fn new(upstream: Arc<Upstream>, transfers: reqwest::Client) -> Self {
        Self { upstream, transfers }
    }

    /// Sends a request and returns the head of the response. `path` starts with a slash, has only
    /// segments that are ids or names, and may have a query.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response, ResourceError> {
        let request = self.transfers.request(method, self.url(path)).headers(headers).body(body);
        authorize(request, &self.upstream).send().await.map_err(|error| self.lost(&error))
    }

    /// Returns the URL of a path, with the query that the base URL has.
    fn url(&self, path: &str) -> Url {
        let mut url = self.upstream.endpoint.clone();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let base = url.path().rsplit_once('/').map_or("", |(base, _)| base).to_owned();
        url.set_path(&format!("{base}{path}"));
        let queries = [url.query().unwrap_or_default(), query];
        let queries: Vec<&str> = queries.into_iter().filter(|query| !query.is_empty()).collect();
        let query = queries.join("&");
        url.set_query((!query.is_empty()).then_some(&query));
        url
    }

    fn lost(&self, error: &reqwest::Error) -> ResourceError {
        ResourceError::new(CallError::transport(error, self.upstream.settings.idle_timeout))
    }

    /// Sends a request with a body of a type. Returns the JSON of the response.
    async fn request(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Value, ResourceError> {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(content_type) {
            headers.insert(CONTENT_TYPE, value);
        }
        headers.insert("openai-beta", HeaderValue::from_static("assistants=v2"));
        let response = self.send(method, path, headers, body.into()).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_body(response, MAX_JSON_BYTES).await;
        if !status.is_success() {
            let key = self.upstream.settings.api_key.as_ref();
            return Err(ResourceError::new(CallError::status(status, &headers, &body, key)));
        }
        serde_json::from_slice(&body).map_err(|_| {
            ResourceError::new(CallError::invalid_response("returned text that is not valid JSON"))
        })
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, ResourceError> {
        self.request(Method::POST, path, "application/json", body.to_string().into()).await
    }

    /// Creates a vector store. Returns its id.
    pub(crate) async fn create_vector_store(&self, body: &Value) -> Result<String, ResourceError> {
        id(&self.post("/vector_stores", body).await?)
    }

    /// Deletes a vector store.
    pub(crate) async fn delete_vector_store(&self, id: &str) -> Result<(), ResourceError> {
        let path = format!("/vector_stores/{id}");
        self.request(Method::DELETE, &path, "", Bytes::new()).await.map(|_| ())
    }

    /// Adds a file to a vector store.
    pub(crate) async fn add_to_vector_store(
        &self,
        store: &str,
        file_id: &str,
    ) -> Result<(), ResourceError> {
        let path = format!("/vector_stores/{store}/files");
        self.post(&path, &json!({"file_id": file_id})).await.map(|_| ())
    }

    /// Waits until the files of a vector store can be found, for a minute at most.
    pub(crate) async fn wait_until_indexed(&self, store: &str) {
        let path = format!("/vector_stores/{store}");
        let indexed = async {
            loop {
                let store = self.request(Method::GET, &path, "", Bytes::new()).await;
                // The run itself shows what is wrong with the vector store.
                let is_in_progress = |store: Value| {
                    store.get("status").and_then(Value::as_str) == Some("in_progress")
                };
                if !store.is_ok_and(is_in_progress) {
                    return;
                }
                tokio::time::sleep(INDEXING_POLL_INTERVAL).await;
            }
        };
        let _ = tokio::time::timeout(INDEXING_TIMEOUT, indexed).await;
    }

    /// Uploads an image from its data URL. Returns the id of the file, or `None` if that fails.
    pub(super) async fn upload_image(&self, data_url: &str) -> Option<String> {
        let (head, data) = data_url.strip_prefix("data:")?.split_once(',')?;
        let media_type = head.strip_suffix(";base64")?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+.-".contains(&byte);
        let (_, extension) = media_type.split_once('/')?;
        if !media_type.bytes().all(is_plain) {
            return None;
        }
        let image = BASE64_STANDARD.decode(data).ok()?;
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nvision\r\n\
             --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"image.{extension}\"\r\nContent-Type: {media_type}\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(&image);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let uploaded = self.request(Method::POST, "/files", &content_type, body.into()).await;
        match uploaded.and_then(|file| id(&file)) {
            Ok(id) => Some(id),
            Err(error) => {
                tracing::warn!(status = ?error.status, "an image of the code interpreter is lost");
                None
            }
        }
    }
}

impl fmt::Debug for UpstreamResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL's query may contain a secret.
        let host = self.upstream.endpoint.host_str();
        f.debug_struct("UpstreamResources").field("host", &host).finish_non_exhaustive()
    }
}

/// Returns the id of a created object.
fn id(object: &Value) -> Result<String, ResourceError> {
    let id = object.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| {
        ResourceError::new(CallError::invalid_response("created an object without an id"))
    })
}
