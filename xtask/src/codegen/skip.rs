//! Skips the operations of a vendor's document that are not supported: a document may have hundreds, and
//! the upload of a file should not prevent the others. Each operation that is skipped is reported.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::{Document, below};
use super::error::Error;
use super::select::{Selection, components_of, select_operations};
use super::{Generated, build_document};

/// An operation that is not part of the generated crate.
#[derive(Clone, Debug, PartialEq)]
pub struct Skipped {
    /// The method in capital letters, and the path.
    pub operation: String,
    /// Why it is not supported, and where.
    pub reason: String,
}

/// The path and the method of an operation.
type Operation = (String, String);

/// Runs the stages on the operations of a document that they support.
///
/// # Errors
///
/// Returns an error if no operation is supported, or if an error is not about an operation.
pub fn build_supported(document: Document, selection: &Selection) -> Result<Generated, Error> {
    let mut selection = selection.clone();
    let mut skipped: BTreeMap<Operation, Error> = BTreeMap::new();
    loop {
        let error = match build_document(document.clone(), &selection) {
            Ok(mut generated) => {
                generated.skipped = skipped.iter().map(report).collect();
                return Ok(generated);
            }
            Err(error) => error,
        };
        let Ok(selected) = select_operations(document.clone(), &selection) else {
            return Err(error);
        };
        let mut unsupported = unsupported_alone(&selected, &selection);
        if unsupported.is_empty() {
            // Operations may not be supported together, such as two of the same name.
            unsupported = operations_at(&selected, &error)
                .into_iter()
                .filter_map(|operation| Some((operation, error.copy()?)))
                .collect();
        }
        if unsupported.is_empty() || unsupported.len() == selected.operations().count() {
            return Err(error);
        }
        selection.excluded.extend(unsupported.keys().cloned());
        skipped.extend(unsupported);
    }
}

fn report(((path, method), error): (&Operation, &Error)) -> Skipped {
    let reason = match error {
        Error::Document { pointer, reason, .. } => format!("{reason}, at {pointer}"),
        other => other.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    Skipped { operation: format!("{} {path}", method.to_uppercase()), reason }
}

/// Returns the operations that are not supported on their own, with their errors.
fn unsupported_alone(document: &Document, selection: &Selection) -> BTreeMap<Operation, Error> {
    let selection = Selection {
        patterns: vec!["/**".to_owned()],
        strict_responses: selection.strict_responses,
        allow_untyped: selection.allow_untyped,
        ..Selection::default()
    };
    let operations = document.operations().filter_map(|(path, method, operation)| {
        let error = build_document(alone(document, path, method, operation), &selection).err()?;
        Some(((path.to_owned(), method.to_owned()), error))
    });
    operations.collect()
}

/// Returns a document with one operation and its components.
fn alone(document: &Document, path: &str, method: &str, operation: &Value) -> Document {
    let mut root: Map<String, Value> = Map::new();
    for (key, value) in document.0.as_object().into_iter().flatten() {
        if key != "paths" && key != "components" {
            root.insert(key.clone(), value.clone());
        }
    }
    let mut components: Map<String, Value> = Map::new();
    for component in components_of(document, operation) {
        let mut names = component.trim_start_matches("#/components/").splitn(2, '/');
        if let (Some(kind), Some(name), Some(value)) =
            (names.next(), names.next(), document.resolve(&component))
        {
            let name = name.replace("~1", "/").replace("~0", "~");
            let entries = components.entry(kind).or_insert_with(|| json!({}));
            if let Some(entries) = entries.as_object_mut() {
                entries.insert(name, value.clone());
            }
        }
    }
    root.insert("components".to_owned(), components.into());
    root.insert("paths".to_owned(), json!({ path: { method: operation } }));
    Document(root.into())
}

/// Returns the operations that an error is about: the one that it points to, or those that refer to the
/// component.
fn operations_at(document: &Document, error: &Error) -> Vec<Operation> {
    let Error::Document { pointer, .. } = error else { return Vec::new() };
    let is_within = |outer: &str| {
        pointer.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let found = document.operations().filter(|(path, method, operation)| {
        is_within(&below("/paths", &[path, method]))
            || components_of(document, operation)
                .iter()
                .any(|component| is_within(component.trim_start_matches('#')))
    });
    found.map(|(path, method, _)| (path.to_owned(), method.to_owned())).collect()
}
