//! `cargo xtask diff`: compares two documents, and reports what each change breaks.

mod alternatives;
pub mod change;
mod compare;
mod limits;
pub mod report;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::codegen::document::Document;
use crate::codegen::{Error, Selection, lower, read, select, unions};
use change::{Change, Effect};
use compare::Comparison;

/// Returns the exit status: 0 for no changes, 1 for compatible changes, 2 for breaking changes.
pub fn exit_status(changes: &[Change]) -> u8 {
    changes
        .iter()
        .map(|change| if change.effect() == Effect::Breaking { 2 } else { 1 })
        .max()
        .unwrap_or(0)
}

/// Reads a document from a file, or `openapi/runs.yaml` from a git revision.
///
/// # Errors
///
/// Returns an error if the source does not exist or is not supported.
pub fn open(root: &Path, source: &str, selection: &Selection) -> Result<Document, Error> {
    let path = Path::new(source);
    let document = if path.exists() {
        read::read(path)?
    } else {
        let object = format!("{source}:openapi/runs.yaml");
        let output = Command::new("git")
            .current_dir(root)
            .args(["show", "--end-of-options", &object])
            .output();
        match output {
            Ok(output) if output.status.success() => {
                read::read_text(Path::new(&object), &String::from_utf8_lossy(&output.stdout))?
            }
            _ => return Err(Error::UnknownSource(source.to_owned())),
        }
    };
    comparable(document, selection)
}

/// Selects and lowers a document, so that it can be compared.
///
/// # Errors
///
/// Returns an error if a stage does not support the document.
pub fn comparable(document: Document, selection: &Selection) -> Result<Document, Error> {
    lower::lower_for_diff(select::select_operations(document, selection)?)
}

/// Returns all changes from one document to another, in the order of the paths.
pub fn compare(old: &Document, new: &Document) -> Vec<Change> {
    let mut comparison = Comparison::new(old, new);
    comparison.operations();
    comparison.events(events(old), events(new));
    comparison.changes()
}

/// Returns the largest union of events of a document.
fn events(document: &Document) -> Option<&Value> {
    let unions = unions::event_unions(document);
    // The first of several equal ones: `max_by_key` returns the last.
    let (_, largest) = unions.iter().rev().max_by_key(|(count, _)| *count)?;
    document.schema(largest)
}
