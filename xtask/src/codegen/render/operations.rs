//! The enum of operations.

use std::fmt::Write as _;

use serde_json::Value;

use crate::codegen::document::{Document, rust_name};
use crate::codegen::names::Names;

/// The extension with an operation's name in the official SDKs, such as `threads.runs.create`.
const SDK_NAME: &str = "x-sdk-name";

/// Renders the enum of operations, and the limits of the query parameter `limit`.
pub fn render(document: &Document) -> String {
    let mut text =
        "//! The operations of the API.\n\nuse crate::operation::operations;\n\noperations! {\n"
            .to_owned();
    let mut names = Names::default();
    for (path, method, operation) in document.operations() {
        let Some(id) = operation.get("operationId").and_then(Value::as_str) else { continue };
        let sdk_name = operation.get(SDK_NAME).and_then(Value::as_str).unwrap_or(id);
        let method = method.to_uppercase();
        let name = names.distinct(&rust_name(id), &rust_name(id));
        let _ = writeln!(text, "    /// `{method} {path}`");
        let _ = writeln!(text, "    {name} = {id:?} {method} {path:?} {sdk_name:?},");
    }
    text.push_str("}\n");
    if let Some(limit) = page_limit(document) {
        let _ = write!(
            text,
            "\nimpl Operation {{\n    \
             /// The values that the query parameter `limit` of list operations may have.\n    \
             pub const PAGE_LIMIT: std::ops::RangeInclusive<u64> = {}..={};\n    \
             /// The value of `limit` if the query has none.\n    \
             pub const DEFAULT_PAGE_LIMIT: u64 = {};\n}}\n",
            limit.minimum, limit.maximum, limit.default
        );
    }
    text
}

#[derive(PartialEq)]
struct PageLimit {
    minimum: u64,
    maximum: u64,
    default: u64,
}

/// Returns the limits of the query parameter `limit`, if all operations with it have the same.
fn page_limit(document: &Document) -> Option<PageLimit> {
    let mut found = None;
    for (_, _, operation) in document.operations() {
        let parameters = operation.get("parameters").and_then(Value::as_array);
        for parameter in parameters.into_iter().flatten() {
            let parameter = document.resolved(parameter);
            let has =
                |key: &str, value: &str| parameter.get(key).is_some_and(|other| other == value);
            if !has("in", "query") || !has("name", "limit") {
                continue;
            }
            let number = |key: &str| parameter.get("schema")?.get(key)?.as_u64();
            let limit = PageLimit {
                minimum: number("minimum")?,
                maximum: number("maximum")?,
                default: number("default")?,
            };
            if found.as_ref().is_some_and(|other| *other != limit) {
                return None;
            }
            found = Some(limit);
        }
    }
    found
}
