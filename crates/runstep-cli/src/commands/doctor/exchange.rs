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
                    headers: error.request_id().map(|_| "x-request-id").into_iter().collect(),
                }
            }
        }
    }

    pub(super) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
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
