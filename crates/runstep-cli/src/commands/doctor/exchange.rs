//! One request of an examination, and what came back.

use runstep::reqwest::Method;
use runstep::{Client, RetryPolicy};
use serde_json::Value;

use crate::commands::api::operation::Operation;
use crate::commands::api::operations::OPERATIONS;

/// Headers of providers that a report names, if they are present.
const HEADERS: [&str; 8] = [
    "server",
    "x-request-id",
    "openai-version",
    "openai-processing-ms",
    "openai-poll-after-ms",
    "x-ratelimit-limit-requests",
    "x-ms-region",
    "cf-ray",
];

/// A response, or the reason why none was received.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) status: Option<u16>,
    pub(super) json: Option<Value>,
    /// The error, if the request failed.
    pub(super) error: Option<String>,
    /// The message of an error in the API's format.
    pub(super) api_message: Option<String>,
    /// The content type of a successful response.
    pub(super) content_type: Option<String>,
    /// The names of the known headers of the response.
    pub(super) headers: Vec<&'static str>,
}

/// Returns the operation with an id.
pub(super) fn operation(id: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.id == id)
}

impl Exchange {
    pub(super) fn failed(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// Sends a request once.
    pub(super) async fn send(
        client: &Client,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Self {
        let method = match Method::from_bytes(method.as_bytes()) {
            Ok(method) => method,
            Err(error) => return Self::failed(error.to_string()),
        };
        let mut request = client.request(method, path).retry_policy(RetryPolicy::none());
        if let Some(body) = body {
            request = request.json(body);
        }
        match request.send().await {
            Ok(response) => Self {
                status: Some(response.status()),
                json: serde_json::from_slice(response.body()).ok(),
                content_type: response.header("content-type").map(str::to_owned),
                headers: HEADERS
                    .into_iter()
                    .filter(|name| response.header(name).is_some())
                    .collect(),
                ..Self::default()
            },
            Err(error) => {
                let json: Option<Value> =
                    error.body().and_then(|body| serde_json::from_str(body).ok());
                let message = json
                    .as_ref()
                    .and_then(|json| json.pointer("/error/message")?.as_str().map(str::to_owned));
                Self {
                    status: error.status(),
                    api_message: message,
                    json,
                    error: Some(error.to_string()),
                    content_type: None,
                    headers: error.request_id().map(|_| "x-request-id").into_iter().collect(),
                }
            }
        }
    }

    pub(super) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Returns whether a successful response is an object or a list of the API. A web page is neither.
    pub(super) fn is_api_object(&self) -> bool {
        let Some(json) = self.json.as_ref().filter(|_| self.is_success()) else { return false };
        let is_text = |name: &str| json.get(name).is_some_and(Value::is_string);
        is_text("object") || is_text("id") || json.get("data").is_some_and(Value::is_array)
    }

    /// Returns whether an error has a format that providers of the API use.
    pub(super) fn is_api_error(&self) -> bool {
        let Some(json) = self.json.as_ref().filter(|_| !self.is_success()) else { return false };
        let is_error = |error: &Value| error.is_object() || error.is_string();
        json.get("error").is_some_and(is_error) || json.get("message").is_some_and(Value::is_string)
    }

    /// Returns how the body of a successful response differs from JSON, if it does.
    pub(super) fn content_deviation(&self) -> Option<String> {
        if !self.is_success() {
            return None;
        }
        let content_type = self.content_type.as_deref().unwrap_or("no content type");
        let is_json = content_type.split(';').next().is_some_and(|kind| {
            let kind = kind.trim().to_ascii_lowercase();
            kind == "application/json" || kind.ends_with("+json")
        });
        match (&self.json, is_json) {
            (Some(_), true) => None,
            (Some(_), false) => {
                Some(format!("the content type is {content_type}; expected application/json"))
            }
            (None, _) => Some(format!("the body is not JSON ({content_type})")),
        }
    }

    /// Returns the id of the object in the response.
    pub(super) fn id(&self) -> Option<&str> {
        self.json.as_ref()?.get("id")?.as_str()
    }

    /// Returns the id of the first object in a list.
    pub(super) fn first_id(&self) -> Option<&str> {
        self.json.as_ref()?.pointer("/data/0/id")?.as_str()
    }
}
