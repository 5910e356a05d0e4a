//! The operations of the API, and which of them a request asks for.

use std::path::Path;

use serde_yaml_ng::Value;

use super::Error;
use crate::programs;

/// The operations of a document, in its order.
#[derive(Debug)]
pub struct Operations(Vec<Operation>);

#[derive(Debug)]
struct Operation {
    id: String,
    method: String,
    path: String,
}

impl Operations {
    /// Reads them from an OpenAPI document.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or has no operations.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file).map_err(programs::file(file))?;
        Self::of(&text).ok_or(Error::NoOperations(file.to_owned()))
    }

    /// The operations of a document, if it has any.
    #[must_use]
    pub fn of(document: &str) -> Option<Self> {
        let document: Value = serde_yaml_ng::from_str(document).ok()?;
        let mut operations = Vec::new();
        for (path, methods) in document.get("paths")?.as_mapping()? {
            for (method, operation) in methods.as_mapping()? {
                let (Some(id), Some(method)) = (operation.get("operationId"), method.as_str())
                else {
                    continue;
                };
                operations.push(Operation {
                    id: id.as_str()?.to_owned(),
                    method: method.to_uppercase(),
                    path: path.as_str()?.to_owned(),
                });
            }
        }
        (!operations.is_empty()).then_some(Self(operations))
    }

    /// Their identifiers.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|operation| operation.id.as_str())
    }

    /// The operation that a request asks for. A fixed segment counts before one that varies.
    #[must_use]
    pub fn asked_for(&self, method: &str, path: &str) -> Option<&str> {
        let path = path.strip_prefix("/v1").unwrap_or(path);
        let fitting = self.0.iter().filter(|one| one.method == method && fits(&one.path, path));
        let closest = fitting.min_by_key(|operation| operation.path.matches('{').count());
        closest.map(|operation| operation.id.as_str())
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}
