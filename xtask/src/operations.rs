//! Operations of an OpenAPI document, and the responses of a server to each.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::codegen::document::Document;
use crate::programs::{Error, file};

/// The operations of a document, in order.
#[derive(Debug)]
pub struct Operations(Vec<Operation>);

#[derive(Debug)]
struct Operation {
    id: String,
    method: String,
    path: String,
}

impl Operations {
    /// Returns an empty list.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Reads the operations of a file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or has no operations.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(file(path))?;
        Self::parse(&text).ok_or_else(|| {
            file(path)(io::Error::new(io::ErrorKind::InvalidData, "the document has no operations"))
        })
    }

    /// Parses the operations of a document. Returns `None` if there are none.
    #[must_use]
    pub fn parse(document: &str) -> Option<Self> {
        let document = Document(serde_yaml_ng::from_str(document).ok()?);
        let operations = document.operations().filter_map(|(path, method, operation)| {
            let id = operation.get("operationId")?.as_str()?.to_owned();
            Some(Operation { id, method: method.to_uppercase(), path: path.to_owned() })
        });
        let operations: Vec<Operation> = operations.collect();
        (!operations.is_empty()).then_some(Self(operations))
    }

    /// Returns the operation IDs.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|operation| operation.id.as_str())
    }

    /// Returns the ID of the operation that a request calls. A path with fewer parameters has
    /// precedence.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<&str> {
        let path = path.strip_prefix("/v1").unwrap_or(path);
        let matching = self.0.iter().filter(|operation| {
            operation.method == method && matches_template(&operation.path, path)
        });
        let best = matching.min_by_key(|operation| operation.path.matches('{').count());
        best.map(|operation| operation.id.as_str())
    }
}

fn matches_template(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(expected), Some(segment)) if expected == segment || expected.starts_with('{') => {
            }
            _ => return false,
        }
    }
}

/// A response, with the method and path of its request. The path may be a template.
#[derive(Debug, Deserialize)]
pub struct Response {
    method: String,
    path: String,
    status: u16,
}

/// Numbers of responses by operation.
#[derive(Debug, Default)]
pub struct Responses(BTreeMap<String, Counts>);

/// Numbers of responses of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Responses with a success status.
    pub successes: usize,
    /// Other responses.
    pub errors: usize,
}

impl Responses {
    /// Counts a response, if its request calls an operation.
    pub fn count(&mut self, operations: &Operations, response: &Response) {
        if let Some(operation) = operations.find(&response.method, &response.path) {
            let counts = self.0.entry(operation.to_owned()).or_default();
            if (200..300).contains(&response.status) {
                counts.successes += 1;
            } else {
                counts.errors += 1;
            }
        }
    }

    /// Returns the numbers of an operation.
    #[must_use]
    pub fn of(&self, operation: &str) -> Counts {
        self.0.get(operation).copied().unwrap_or_default()
    }
}
