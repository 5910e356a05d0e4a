//! Query parameters.

use super::error::ApiError;
use crate::operation::Operation;
use crate::store::PageQuery;
use crate::text::shorten;

/// How many characters of a value a message repeats.
const MAX_QUOTED_CHARACTERS: usize = 64;

/// The query of a request.
pub(super) struct Query {
    pub(super) page: PageQuery,
    pub(super) run_id: Option<String>,
    /// Whether steps have the passages that file searches have found.
    pub(super) with_passages: bool,
    /// The parameters that select the objects of a list, with their values.
    pub(super) filters: Vec<(String, String)>,
}

/// A set of query parameters.
pub(super) trait Parameters {
    const NAMES: &[&str];
}

/// A query without parameters.
pub(super) struct Empty;
/// A query that can ask for the passages that file searches have found.
pub(super) struct Include;
/// A query for a page.
pub(super) struct Page;
/// A query for a page of the runs of all threads.
pub(super) struct RunList;
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
impl Parameters for RunList {
    const NAMES: &[&str] = &[
        "limit",
        "order",
        "after",
        "before",
        "status",
        "assistant_id",
        "thread_id",
        "search",
        "metadata[]",
    ];
}
impl Parameters for MessagePage {
    const NAMES: &[&str] = &["limit", "order", "after", "before", "run_id"];
}
impl Parameters for StepPage {
    const NAMES: &[&str] = &["limit", "order", "after", "before", "include[]"];
}

impl Query {
    /// Parses a query with these parameters; any other is an error.
    pub(super) fn parse(query: &str, parameters: &[&str]) -> Result<Self, ApiError> {
        let limit = Operation::DEFAULT_PAGE_LIMIT as usize;
        let page = PageQuery { limit, newest_first: true, after: None, before: None };
        let mut parsed = Self { page, run_id: None, with_passages: false, filters: Vec::new() };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // Azure's clients send it with every request.
            if name == "api-version" {
                continue;
            }
            // Each key of metadata has a parameter of its own.
            let is_metadata = name.starts_with("metadata[") && name.ends_with(']');
            let known = if is_metadata { "metadata[]" } else { &*name };
            if !parameters.contains(&known) {
                let message = format!("Unknown query parameter: '{name}'.");
                return Err(ApiError::parameter(&name, "unknown_parameter", message));
            }
            match name.as_ref() {
                "limit" => parsed.page.limit = parse_limit(&value)?,
                "order" => parsed.page.newest_first = parse_order(&value)?,
                "after" => parsed.page.after = Some(value.into_owned()),
                "before" => parsed.page.before = Some(value.into_owned()),
                "run_id" => parsed.run_id = Some(value.into_owned()),
                "include[]" => {
                    check_include(&value)?;
                    parsed.with_passages = true;
                }
                _ => parsed.filters.push((name.into_owned(), value.into_owned())),
            }
        }
        Ok(parsed)
    }
}

fn parse_limit(value: &str) -> Result<usize, ApiError> {
    let (min, max) = Operation::PAGE_LIMIT.into_inner();
    if let Ok(limit) = value.parse::<u64>()
        && (min..=max).contains(&limit)
    {
        return Ok(limit as usize);
    }
    // Numbers can exceed all integer types.
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = "Invalid type for 'limit': expected an integer.".to_owned();
        return Err(ApiError::parameter("limit", "invalid_type", message));
    }
    let is_zero = digits.bytes().all(|byte| byte == b'0');
    let (code, bound) = if is_zero || value.starts_with('-') {
        ("integer_below_min_value", format!("at least {min}"))
    } else {
        ("integer_above_max_value", format!("at most {max}"))
    };
    let value = shorten(value, MAX_QUOTED_CHARACTERS);
    let message =
        format!("Invalid 'limit': expected an integer of {bound}, but got {value} instead.");
    Err(ApiError::parameter("limit", code, message))
}

/// Returns whether the order is newest first.
fn parse_order(value: &str) -> Result<bool, ApiError> {
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

fn check_include(value: &str) -> Result<(), ApiError> {
    const SUPPORTED: &str = "step_details.tool_calls[*].file_search.results[*].content";
    if value == SUPPORTED {
        return Ok(());
    }
    let message = format!("Invalid value for 'include[]'. Supported values are: '{SUPPORTED}'.");
    Err(ApiError::parameter("include[]", "invalid_value", message))
}
