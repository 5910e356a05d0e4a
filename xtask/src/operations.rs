//! The operations of the API, and what a server replied to each.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_yaml_ng::Value;

use crate::programs::{Error, file};

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
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(file(path))?;
        Self::of(&text).ok_or_else(|| {
            file(path)(io::Error::new(io::ErrorKind::InvalidData, "it has no operations"))
        })
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

/// A reply to a request; the path may be that of the document.
#[derive(Debug, Deserialize)]
pub struct Reply {
    method: String,
    path: String,
    status: u16,
}

/// How many replies each operation gave.
#[derive(Debug, Default)]
pub struct Replies(BTreeMap<String, Counts>);

/// How many replies of an operation there were, by what they said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those with a status of success.
    pub good: usize,
    /// All others.
    pub refused: usize,
}

impl Replies {
    /// Counts a reply for the operation it is of, if it is of one.
    pub fn count(&mut self, operations: &Operations, reply: &Reply) {
        if let Some(operation) = operations.asked_for(&reply.method, &reply.path) {
            let counts = self.0.entry(operation.to_owned()).or_default();
            if (200..300).contains(&reply.status) {
                counts.good += 1;
            } else {
                counts.refused += 1;
            }
        }
    }

    /// How many replies an operation gave.
    #[must_use]
    pub fn of(&self, operation: &str) -> Counts {
        self.0.get(operation).copied().unwrap_or_default()
    }
}
