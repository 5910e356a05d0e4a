//! The input of a request: its path, query and body.

use std::marker::PhantomData;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::app::App;
use super::error::ApiError;
use crate::operation::Operation;
use crate::store::PageQuery;

impl App {
    /// Reads a body, validates it and decodes it as a component of the specification.
    pub(super) async fn decode<T: DeserializeOwned>(
        &self,
        component: &str,
        body: Body,
    ) -> Result<T, ApiError> {
        let bytes = self.read(body).await?;
        if bytes.is_empty() {
            // Reports the first missing property, if any is required.
            self.schemas.validate(component, &Value::Object(Map::new()))?;
            return Err(ApiError::missing_body());
        }
        self.decode_bytes(component, &bytes)
    }

    /// Does the same for an optional body, whose default is `{}`.
    pub(super) async fn decode_optional<T: DeserializeOwned>(
        &self,
        component: &str,
        body: Body,
    ) -> Result<T, ApiError> {
        let bytes = self.read(body).await?;
        self.decode_bytes(component, if bytes.is_empty() { b"{}" } else { &bytes })
    }

    fn decode_bytes<T: DeserializeOwned>(
        &self,
        component: &str,
        bytes: &[u8],
    ) -> Result<T, ApiError> {
        let mut value: Value =
            serde_json::from_slice(bytes).map_err(|error| ApiError::invalid_json(&error))?;
        self.schemas.validate(component, &value)?;
        self.schemas.normalize_integers(component, &mut value);
        // The types are generated from the schemas, so a valid body can be decoded.
        serde_json::from_value(value).map_err(|error| {
            ApiError::internal(format!("The {component} could not be decoded: {error}."))
        })
    }

    async fn read(&self, body: Body) -> Result<Bytes, ApiError> {
        let limit = self.limits.body_bytes;
        to_bytes(body, limit).await.map_err(|error| {
            let too_long = error.into_inner().is::<LengthLimitError>();
            if too_long { ApiError::too_large(limit) } else { ApiError::incomplete_body() }
        })
    }
}

/// The ids in a path. Ids that are not UTF-8 get an error response in JSON.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(ids)) => Ok(Self(ids)),
            Err(_) => Err(ApiError::invalid_path(parts.uri.path())),
        }
    }
}

/// A query with the parameters that `P` lists; any other is an error.
pub(super) struct Query<P> {
    pub(super) page: PageQuery,
    pub(super) run_id: Option<String>,
    parameters: PhantomData<P>,
}

/// A set of query parameters.
pub(super) trait Parameters {
    const NAMES: &[&str];
}

/// A query without parameters.
pub(super) struct Empty;
/// A query that can ask for more details. They belong to file search, which is not supported, so
/// there is never anything to add.
pub(super) struct Include;
/// A query for a page.
pub(super) struct Page;
/// A query for a page of messages, optionally those of one run.
pub(super) struct MessagePage;
/// A query for a page of run steps.
pub(super) struct StepPage;

impl Parameters for Empty {
    const NAMES: &[&str] = &[];
}
impl Parameters for Include {
    const NAMES: &[&str] = &["include[]"];
}
impl Parameters for Page {
    const NAMES: &[&str] = &["limit", "order", "after", "before"];
}
impl Parameters for MessagePage {
    const NAMES: &[&str] = &["limit", "order", "after", "before", "run_id"];
}
impl Parameters for StepPage {
    const NAMES: &[&str] = &["limit", "order", "after", "before", "include[]"];
}

impl<S: Send + Sync, P: Parameters> FromRequestParts<S> for Query<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let page = PageQuery {
            limit: Operation::DEFAULT_PAGE_LIMIT as usize,
            newest_first: true,
            after: None,
            before: None,
        };
        let mut query = Self { page, run_id: None, parameters: PhantomData };
        let text = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            // Azure's clients send it with every request.
            if name == "api-version" {
                continue;
            }
            if !P::NAMES.contains(&name.as_ref()) {
                let message = format!("Unknown query parameter: '{name}'.");
                return Err(ApiError::parameter(&name, "unknown_parameter", message));
            }
            match name.as_ref() {
                "limit" => query.page.limit = limit(&value)?,
                "order" => query.page.newest_first = newest_first(&value)?,
                "after" => query.page.after = Some(value.into_owned()),
                "before" => query.page.before = Some(value.into_owned()),
                "run_id" => query.run_id = Some(value.into_owned()),
                _ => include(&value)?,
            }
        }
        Ok(query)
    }
}

fn limit(value: &str) -> Result<usize, ApiError> {
    let (min, max) = Operation::PAGE_LIMIT.into_inner();
    match value.parse::<u64>() {
        Ok(limit) if (min..=max).contains(&limit) => Ok(limit as usize),
        Ok(limit) => {
            let (code, bound) = if limit < min {
                ("integer_below_min_value", format!("at least {min}"))
            } else {
                ("integer_above_max_value", format!("at most {max}"))
            };
            let message = format!(
                "Invalid 'limit': expected an integer of {bound}, but got {limit} instead."
            );
            Err(ApiError::parameter("limit", code, message))
        }
        Err(_) => {
            let message = "Invalid type for 'limit': expected an integer.".to_owned();
            Err(ApiError::parameter("limit", "invalid_type", message))
        }
    }
}

fn newest_first(value: &str) -> Result<bool, ApiError> {
    match value {
        "desc" => Ok(true),
        "asc" => Ok(false),
        _ => {
            let message =
                "Invalid value for 'order'. Supported values are: 'asc' and 'desc'.".to_owned();
            Err(ApiError::parameter("order", "invalid_value", message))
        }
    }
}

fn include(value: &str) -> Result<(), ApiError> {
    const SUPPORTED: &str = "step_details.tool_calls[*].file_search.results[*].content";
    if value == SUPPORTED {
        return Ok(());
    }
    let message = format!("Invalid value for 'include[]'. Supported values are: '{SUPPORTED}'.");
    Err(ApiError::parameter("include[]", "invalid_value", message))
}
