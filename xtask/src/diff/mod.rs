//! `cargo xtask diff`: what changed between two documents, and whom it breaks.

pub mod change;
mod compare;
mod limits;
pub mod report;
mod variants;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::codegen::document::Document;
use crate::codegen::{Error, Selection, lower, read, select, unions};
use change::{Change, Effect};
use compare::Comparison;

/// The exit status for changes: 0 none, 1 compatible ones, 2 breaking ones.
pub fn exit_status(changes: &[Change]) -> u8 {
    changes
        .iter()
        .map(|change| if change.effect() == Effect::Breaking { 2 } else { 1 })
        .max()
        .unwrap_or(0)
}

/// Reads a document from a file, or `openapi/runs.yaml` as it is in a git revision.
///
/// # Errors
///
/// When there is neither, or it cannot be taken.
pub fn open(root: &Path, source: &str, selection: &Selection) -> Result<Document, Error> {
    let path = Path::new(source);
    let document = if path.exists() {
        read::read(path)?
    } else {
        let object = format!("{source}:openapi/runs.yaml");
        let shown = Command::new("git")
            .current_dir(root)
            .args(["show", "--end-of-options", &object])
            .output();
        match shown {
            Ok(output) if output.status.success() => {
                read::read_text(Path::new(&object), &String::from_utf8_lossy(&output.stdout))?
            }
            _ => return Err(Error::NoSource(source.to_owned())),
        }
    };
    comparable(document, selection)
}

/// The part of a document that is selected, in the one form in which it can be compared.
///
/// # Errors
///
/// When the document has something in it that no step can take.
pub fn comparable(document: Document, selection: &Selection) -> Result<Document, Error> {
    lower::lower_for_diff(select::keep(document, selection)?)
}

/// All changes from one document to another, in the order of the paths.
pub fn compare(old: &Document, new: &Document) -> Vec<Change> {
    let mut comparison = Comparison::new(old, new);
    comparison.operations();
    comparison.events(events(old), events(new));
    comparison.changes()
}

/// The events of a document: of several unions of them, the one with the most.
fn events(document: &Document) -> Option<&Value> {
    let unions = unions::event_unions(document);
    // Of equal ones the first: `max_by_key` would take the last.
    let (_, largest) = unions.iter().rev().max_by_key(|(count, _)| *count)?;
    document.schema(largest)
}
