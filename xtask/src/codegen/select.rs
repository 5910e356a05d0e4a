//! Stage `select`: keeps the operations of runs, and of what runs need, and the components that
//! these operations refer to. The rest of a vendor's document is dropped before it is checked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::document::{Document, METHODS, below, is_method, reference_to, schema_name};
use super::error::Error;
use super::{lower, unions};

/// The default patterns: runs and steps, assistants, threads and messages. A document may have
/// these paths below a version, such as `/v1`.
pub const DEFAULT: [&str; 3] = ["/assistants/**", "/threads/**", "!/threads/*/messages/*/files/**"];

/// The operations that a document must have to be a document of this API.
const REQUIRED: [(&str, &str); 9] = [
    ("post", "/threads/{}/runs"),
    ("post", "/threads/runs"),
    ("get", "/threads/{}/runs"),
    ("get", "/threads/{}/runs/{}"),
    ("post", "/threads/{}/runs/{}"),
    ("post", "/threads/{}/runs/{}/submit_tool_outputs"),
    ("post", "/threads/{}/runs/{}/cancel"),
    ("get", "/threads/{}/runs/{}/steps"),
    ("get", "/threads/{}/runs/{}/steps/{}"),
];

/// Selects operations by path, and what their responses must have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Patterns of paths; if empty, [`DEFAULT`]. `*` matches one segment and `**` any number. A
    /// pattern that starts with `!` excludes what earlier patterns included. `GET /path` matches
    /// one method.
    pub patterns: Vec<String>,
    /// Whether responses must have every property that the document requires.
    pub strict_responses: bool,
    /// Operations that may respond with events, although the document lists only JSON, with the union
    /// of their events.
    pub streams: BTreeMap<String, String>,
    /// Whether objects without a discriminator in a union may be maps of JSON values.
    pub allow_untyped: bool,
    /// Operations that are not supported, with path and method.
    pub excluded: BTreeSet<(String, String)>,
}

impl Selection {
    /// Returns a selection of the same operations, none of which must be present.
    #[must_use]
    pub fn may_be_incomplete(&self) -> Self {
        let default = || DEFAULT.map(str::to_owned).to_vec();
        let patterns = self.patterns.clone();
        let patterns = if patterns.is_empty() { default() } else { patterns };
        Self { patterns, ..self.clone() }
    }

    fn includes(&self, method: &str, path: &str) -> bool {
        if self.excluded.contains(&(path.to_owned(), method.to_owned())) {
            return false;
        }
        let default = DEFAULT.map(str::to_owned);
        let patterns = if self.patterns.is_empty() { &default[..] } else { &self.patterns };
        let mut included = false;
        for pattern in patterns {
            let (adds, pattern) = match pattern.strip_prefix('!') {
                Some(pattern) => (false, pattern),
                None => (true, pattern.as_str()),
            };
            let (only_method, pattern) = match pattern.split_once(' ') {
                Some((method, pattern)) => (Some(method), pattern.trim()),
                None => (None, pattern),
            };
            let same_method =
                only_method.is_none_or(|only_method| only_method.eq_ignore_ascii_case(method));
            if same_method && matches(pattern, path) {
                included = adds;
            }
        }
        included
    }
}

/// Returns whether a pattern matches a path, with or without a leading version segment.
fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.trim_matches('/').split('/').collect();
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    let version = path.first().is_some_and(|first| {
        first
            .strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
    });
    segments_match(&pattern, &path)
        || (version && segments_match(&pattern, path.get(1..).unwrap_or_default()))
}

fn segments_match(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            (0..=path.len()).any(|skip| segments_match(rest, path.get(skip..).unwrap_or_default()))
        }
        (Some((first, pattern)), Some((segment, path))) => {
            let placeholder = segment.starts_with('{') && *first == "*";
            (placeholder || *first == "*" || first == segment) && segments_match(pattern, path)
        }
        _ => false,
    }
}

/// Keeps the selected operations and their components, and adds missing operation IDs. With the
/// default patterns, all required operations must be present.
pub fn select(document: Document, selection: &Selection) -> Result<Document, Error> {
    let document = select_operations(document, selection)?;
    if selection.patterns.is_empty() {
        let paths = document.0.get("paths").and_then(Value::as_object);
        paths.map_or(Ok(()), check_complete)?;
    }
    Ok(document)
}

/// Keeps the selected operations and their components. The selection may be incomplete.
pub fn select_operations(mut document: Document, selection: &Selection) -> Result<Document, Error> {
    if let Some(root) = document.0.as_object_mut() {
        // Webhooks are requests that a provider sends, and not part of its API.
        root.shift_remove("webhooks");
    }
    let Some(paths) = document.0.get_mut("paths").and_then(Value::as_object_mut) else {
        return Err(Error::at(
            "/paths",
            "the document has no paths",
            "use a complete OpenAPI document",
        ));
    };
    // Without this check, a path item that is a reference would be dropped silently.
    for (path, item) in paths.iter() {
        if item.get("$ref").is_some()
            && METHODS.iter().any(|method| selection.includes(method, path))
        {
            return Err(Error::at(
                below("/paths", &[path, "$ref"]),
                "a path item that is a reference is not supported",
                format!(
                    "replace the reference by its operations, or exclude the path: --select '!{path}'"
                ),
            ));
        }
    }
    paths.retain(|path, item| {
        let Some(item) = item.as_object_mut() else { return false };
        item.retain(|key, _| !is_method(key) || selection.includes(key, path));
        item.keys().any(|key| is_method(key))
    });
    if paths.is_empty() {
        return Err(Error::at(
            "/paths",
            "no operation is selected",
            "compare the paths of the document with the patterns of `--select`",
        ));
    }
    share_parameters(paths);
    refer_to_recursion_by_name(&mut document);
    name_operations(&mut document);
    keep_reachable(&mut document);
    Ok(document)
}

/// Replaces `$recursiveRef: "#"` within a component with `$recursiveAnchor: true` by a reference to it.
/// Others stay, and are rejected if they are selected.
fn refer_to_recursion_by_name(document: &mut Document) {
    for (name, schema) in document.schemas_mut().into_iter().flatten() {
        let anchor = schema.as_object_mut().and_then(|map| map.shift_remove("$recursiveAnchor"));
        if anchor == Some(true.into()) {
            refer_by_name(schema, &reference_to(name));
        }
    }
}

fn refer_by_name(value: &mut Value, reference: &Value) {
    match value {
        Value::Object(map) if map.get("$recursiveRef").is_some_and(|target| target == "#") => {
            map.shift_remove("$recursiveRef");
            map.extend(reference.as_object().cloned().unwrap_or_default());
        }
        Value::Object(map) => {
            map.values_mut().for_each(|inner| refer_by_name(inner, reference));
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| refer_by_name(inner, reference)),
        _ => {}
    }
}

/// Moves the parameters of a path to its operations.
fn share_parameters(paths: &mut Map<String, Value>) {
    for (_, item) in paths {
        let Some(item) = item.as_object_mut() else { continue };
        let Some(Value::Array(shared)) = item.remove("parameters") else { continue };
        for (_, operation) in item.iter_mut().filter(|(key, _)| is_method(key)) {
            let Some(operation) = operation.as_object_mut() else { continue };
            let own = operation.entry("parameters").or_insert_with(|| json!([]));
            if let Some(own) = own.as_array_mut() {
                let more: Vec<Value> =
                    shared.iter().filter(|parameter| !own.contains(parameter)).cloned().collect();
                own.splice(0..0, more);
            }
        }
    }
}

fn check_complete(paths: &Map<String, Value>) -> Result<(), Error> {
    for (method, required) in REQUIRED {
        let present = paths
            .iter()
            .any(|(path, item)| path_shape(path).ends_with(required) && item.get(method).is_some());
        if !present {
            return Err(Error::at(
                "/paths",
                format!("the operation {} {required} is missing", method.to_uppercase()),
                "add it, or select other operations with `--select`",
            ));
        }
    }
    Ok(())
}

/// Returns a path without the names of its parameters.
pub fn path_shape(path: &str) -> String {
    let segments =
        path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// Adds missing operation IDs: progenitor names methods after them.
fn name_operations(document: &mut Document) {
    for (path, method, operation) in document.operations_mut() {
        let Some(operation) = operation.as_object_mut() else { continue };
        let words = path.split(['/', '{', '}']).filter(|word| !word.is_empty());
        let name = std::iter::once(method).chain(words).collect::<Vec<_>>().join("_");
        operation.entry("operationId").or_insert_with(|| json!(name));
    }
}

/// Returns the components that an operation refers to, direct and indirect.
pub fn components_of(document: &Document, operation: &Value) -> BTreeSet<String> {
    let mut components = document.reachable(operation);
    keep_variants(document, &mut components);
    components
}

/// Adds the variants of bases with a discriminator, which nothing else may refer to.
fn keep_variants(document: &Document, kept: &mut BTreeSet<String>) {
    let mut open: Vec<String> = kept.iter().cloned().collect();
    while let Some(component) = open.pop() {
        let Some(name) = schema_name(&component) else { continue };
        for variant in lower::variants_of(document, name) {
            let reference = reference_to(&variant);
            let reached = document.reachable(&reference);
            open.extend(reached.iter().filter(|name| !kept.contains(*name)).cloned());
            kept.extend(reached);
        }
    }
}

/// Drops components that no selected operation refers to. Event unions stay if their events contain
/// a component that stays: documents often describe events without a reference from an operation.
fn keep_reachable(document: &mut Document) {
    let paths = document.0.get("paths").cloned().unwrap_or_default();
    let mut kept = document.reachable(&paths);
    keep_variants(document, &mut kept);
    for (_, name) in unions::event_unions(document) {
        let events = reference_to(&name);
        let reached = document.reachable(&events);
        if document
            .schema(&name)
            .is_some_and(|schema| !document.reachable(schema).is_disjoint(&kept))
        {
            kept.extend(reached);
        }
    }
    keep_variants(document, &mut kept);
    let components = document.0.get_mut("components").and_then(Value::as_object_mut);
    for (kind, entries) in components.into_iter().flatten() {
        let Some(entries) = entries.as_object_mut() else { continue };
        entries.retain(|name, _| kept.contains(&below("#/components", &[kind, name])));
    }
}
