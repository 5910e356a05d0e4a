//! What comes with a request: its body, checked against the specification, and its query.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::App;
use super::error::ApiError;
use crate::store::PageQuery;

/// How many entries a page has unless the query says so.
const DEFAULT_LIMIT: usize = 20;
/// How many it has at most.
const MAX_LIMIT: usize = 100;

impl App {
    /// Reads a body and decodes it as a component of the specification.
    pub(super) async fn decode<T: DeserializeOwned>(
        &self,
        component: &str,
        body: Body,
    ) -> Result<T, ApiError> {
        let bytes = self.read(body).await?;
        if bytes.is_empty() {
            // Says what would be missed first, if anything would.
            self.schemas.validate(component, &Value::Object(Map::new()))?;
            return Err(ApiError::no_body());
        }
        self.decode_bytes(component, &bytes)
    }

    /// The same of a body that may be left out, which then asks for nothing.
    pub(super) async fn decode_if_any<T: DeserializeOwned>(
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
            serde_json::from_slice(bytes).map_err(|error| ApiError::malformed(&error))?;
        self.schemas.validate(component, &value)?;
        self.schemas.normalize_integers(component, &mut value);
        // What fits the specification fits the types that are made from it.
        serde_json::from_value(value).map_err(|error| {
            ApiError::internal(format!("The {component} could not be decoded: {error}."))
        })
    }

    async fn read(&self, body: Body) -> Result<Bytes, ApiError> {
        let limit = self.limits.body_bytes;
        to_bytes(body, limit).await.map_err(|error| {
            let too_long = error.into_inner().is::<LengthLimitError>();
            if too_long { ApiError::too_large(limit) } else { ApiError::unreadable() }
        })
    }
}

/// The ids in a path. What is no text in there is refused like all else, with JSON.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(ids)) => Ok(Self(ids)),
            Err(_) => Err(ApiError::unreadable_path(parts.uri.path())),
        }
    }
}

/// The pairs of a query, each of which must be known.
pub(super) struct Query {
    page: PageQuery,
    run_id: Option<String>,
}

impl Query {
    /// A query that takes no parameters.
    pub(super) fn none(text: Option<&str>) -> Result<(), ApiError> {
        Self::read(text, &[]).map(drop)
    }

    /// A query that may ask for more in the reply. What it can ask for belongs to file search,
    /// which no run here has: there is never anything to add.
    pub(super) fn include(text: Option<&str>) -> Result<(), ApiError> {
        Self::read(text, &["include[]"]).map(drop)
    }

    /// A query for a page.
    pub(super) fn page(text: Option<&str>) -> Result<PageQuery, ApiError> {
        Self::read(text, &["limit", "order", "after", "before"]).map(|query| query.page)
    }

    /// A query for a page of steps.
    pub(super) fn page_of_steps(text: Option<&str>) -> Result<PageQuery, ApiError> {
        Self::read(text, &["limit", "order", "after", "before", "include[]"])
            .map(|query| query.page)
    }

    /// A query for a page of messages, maybe those of one run.
    pub(super) fn page_of_messages(
        text: Option<&str>,
    ) -> Result<(PageQuery, Option<String>), ApiError> {
        let query = Self::read(text, &["limit", "order", "after", "before", "run_id"])?;
        Ok((query.page, query.run_id))
    }

    fn read(text: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let page =
            PageQuery { limit: DEFAULT_LIMIT, newest_first: true, after: None, before: None };
        let mut query = Self { page, run_id: None };
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            // Clients of one provider send its version with every request.
            if name == "api-version" {
                continue;
            }
            if !known.contains(&name.as_ref()) {
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
    match value.parse() {
        Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Ok(limit) => {
            let (code, bound) = if limit == 0 {
                ("integer_below_min_value", "at least 1".to_owned())
            } else {
                ("integer_above_max_value", format!("at most {MAX_LIMIT}"))
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
    const KNOWN: &str = "step_details.tool_calls[*].file_search.results[*].content";
    if value == KNOWN {
        return Ok(());
    }
    let message = format!("Invalid value for 'include[]'. Supported values are: '{KNOWN}'.");
    Err(ApiError::parameter("include[]", "invalid_value", message))
}
