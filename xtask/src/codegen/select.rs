//! Step 2, select: of a whole vendor document, the operations on runs and what they cannot be used
//! without, by path, and everything that these reach. What the rest of the document has in it is
//! no matter then.

use serde_json::{Map, Value, json};

use super::document::{Document, METHODS, is_method, push, reference_to};
use super::error::Error;
use super::unions;

/// The paths that are taken unless told: runs and steps, and assistants, threads and messages.
/// A document may have them below a prefix, such as `/v1`.
pub const DEFAULT: [&str; 3] = ["/assistants/**", "/threads/**", "!/threads/*/messages/*/files/**"];

/// The operations without which a document is none of this API: the runs themselves.
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

/// Which operations to take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Patterns of paths; none for [`DEFAULT`]. `*` is one segment, `**` any number of them, `!`
    /// leaves out what the ones before it took, `GET /path` takes one method only.
    pub patterns: Vec<String>,
}

impl Selection {
    fn takes(&self, method: &str, path: &str) -> bool {
        let default = DEFAULT.map(str::to_owned);
        let patterns = if self.patterns.is_empty() { &default[..] } else { &self.patterns };
        let mut taken = false;
        for pattern in patterns {
            let (adds, pattern) = match pattern.strip_prefix('!') {
                Some(pattern) => (false, pattern),
                None => (true, pattern.as_str()),
            };
            let (only, pattern) = match pattern.split_once(' ') {
                Some((method, pattern)) => (Some(method), pattern.trim()),
                None => (None, pattern),
            };
            let right_method = only.is_none_or(|only| only.eq_ignore_ascii_case(method));
            if right_method && matches(pattern, path) {
                taken = adds;
            }
        }
        taken
    }
}

/// Whether a path, or what follows a prefix of one segment in it, is what a pattern says.
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

/// Keeps the selected operations and the components that they reach, gives an operation without an
/// id one, and makes sure that the runs are there.
pub fn select(document: Document, selection: &Selection) -> Result<Document, Error> {
    let document = keep(document, selection)?;
    if selection.patterns.is_empty() {
        let paths = document.0.get("paths").and_then(Value::as_object);
        paths.map_or(Ok(()), check_complete)?;
    }
    Ok(document)
}

/// Keeps the selected operations, whether or not all that make up the API are among them.
pub fn keep(mut document: Document, selection: &Selection) -> Result<Document, Error> {
    if let Some(root) = document.0.as_object_mut() {
        // What a provider calls is no operation of its API.
        root.shift_remove("webhooks");
    }
    let Some(paths) = document.0.get_mut("paths").and_then(Value::as_object_mut) else {
        return Err(Error::at(
            "/paths",
            "the document has no paths",
            "give a whole OpenAPI document",
        ));
    };
    // A path item that stands elsewhere would be left out without a word.
    for (path, item) in paths.iter() {
        if item.get("$ref").is_some() && METHODS.iter().any(|method| selection.takes(method, path))
        {
            let mut pointer = "/paths".to_owned();
            push(&mut pointer, path);
            push(&mut pointer, "$ref");
            return Err(Error::at(
                pointer,
                "a path that stands in another place is not supported",
                format!("write its operations out here, or leave it out: --select '!{path}'"),
            ));
        }
    }
    paths.retain(|path, item| {
        let Some(item) = item.as_object_mut() else { return false };
        item.retain(|key, _| !is_method(key) || selection.takes(key, path));
        item.keys().any(|key| is_method(key))
    });
    if paths.is_empty() {
        return Err(Error::at(
            "/paths",
            "no operation is selected",
            "look at the paths of the document, and give `--select` patterns that match some",
        ));
    }
    name_operations(paths);
    share_parameters(paths);
    keep_reachable(&mut document);
    Ok(document)
}

/// Parameters of a whole path belong to each of its operations.
fn share_parameters(paths: &mut Map<String, Value>) {
    for (_, item) in paths {
        let Some(item) = item.as_object_mut() else { continue };
        let Some(Value::Array(shared)) = item.remove("parameters") else { continue };
        for (_, operation) in item.iter_mut().filter(|(key, _)| is_method(key)) {
            let Some(operation) = operation.as_object_mut() else { continue };
            let own = operation.entry("parameters").or_insert_with(|| json!([]));
            if let Some(own) = own.as_array_mut() {
                let more: Vec<Value> =
                    shared.iter().filter(|one| !own.contains(one)).cloned().collect();
                own.splice(0..0, more);
            }
        }
    }
}

fn check_complete(paths: &Map<String, Value>) -> Result<(), Error> {
    for (method, wanted) in REQUIRED {
        let there = paths
            .iter()
            .any(|(path, item)| shape(path).ends_with(wanted) && item.get(method).is_some());
        if !there {
            return Err(Error::at(
                "/paths",
                format!("the operation {} {wanted} is missing", method.to_uppercase()),
                "add it, or say with `--select` what to take",
            ));
        }
    }
    Ok(())
}

/// A path without the names of its parameters.
pub fn shape(path: &str) -> String {
    let segments =
        path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// The generator names methods after operation ids, which a document need not have.
fn name_operations(paths: &mut Map<String, Value>) {
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let Some(operation) = operation.as_object_mut().filter(|_| is_method(method)) else {
                continue;
            };
            let words = path.split(['/', '{', '}']).filter(|word| !word.is_empty());
            let name = std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_");
            operation.entry("operationId").or_insert_with(|| json!(name));
        }
    }
}

/// Drops components that nothing selected leads to. The events of a stream are taken along when
/// they tell of what is selected: documents describe them without a reference from an operation.
fn keep_reachable(document: &mut Document) {
    let paths = document.0.get("paths").cloned().unwrap_or_default();
    let mut kept = document.reachable(&paths);
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
    let components = document.0.get_mut("components").and_then(Value::as_object_mut);
    for (kind, entries) in components.into_iter().flatten() {
        let Some(entries) = entries.as_object_mut() else { continue };
        entries.retain(|name, _| {
            let mut pointer = format!("#/components/{kind}");
            push(&mut pointer, name);
            kept.contains(&pointer)
        });
    }
}
