//! `cargo xtask diff`: compares two documents, and reports what each change breaks.
//!
//! What breaks released programs follows from the documents. What breaks callers follows from the
//! generated code: its public surface must contain that of the code before.

mod alternatives;
mod callers;
pub mod change;
mod compare;
mod keywords;
pub mod report;
mod security;
mod surface;

use std::path::Path;
use std::process::Command;

use crate::codegen::document::Document;
use crate::codegen::{self, Error, Selection, lower, names, read, select, unions};
use change::{Change, Effect};
use compare::Comparison;
use surface::Surface;

const SECURITY_SCHEMES: &str = "/components/securitySchemes";

/// A document that can be compared.
pub struct Version {
    /// The document: selected, lowered, and with names for inline types.
    pub document: Document,
    /// The public surface of the crate that is generated from it.
    surface: Result<Surface, Error>,
}

impl Version {
    /// Prepares a document, and generates its code.
    ///
    /// # Errors
    ///
    /// Returns an error if a stage that both commands need does not support the document. If only
    /// code generation does not, the comparison is without the effects on callers.
    pub fn new(document: Document, selection: &Selection) -> Result<Self, Error> {
        let selection = selection.may_be_incomplete();
        let generated = codegen::build_document(document.clone(), &selection);
        let schemes = document.0.pointer(SECURITY_SCHEMES).cloned();
        let selected = select::select_operations(document, &selection)?;
        let mut document = names::name_inline_types(lower::lower_for_diff(selected)?)?;
        // Requirements name the schemes, but do not refer to them, so they are not selected.
        let selected = document.0.pointer_mut(SECURITY_SCHEMES);
        if let (Some(selected), Some(schemes)) = (selected, schemes) {
            *selected = schemes;
        }
        Ok(Self { document, surface: generated.and_then(|code| Surface::of(&code)) })
    }

    /// Returns why the effects on callers are not known, if so.
    pub fn generation_error(&self) -> Option<&Error> {
        self.surface.as_ref().err()
    }
}

/// Returns the exit status: 0 for no changes, 1 for compatible changes, 2 for changes
/// that break something, or whose effect is unknown.
pub fn exit_status(changes: &[Change]) -> u8 {
    changes
        .iter()
        .map(|change| if change.effect() == Effect::Compatible { 1 } else { 2 })
        .max()
        .unwrap_or(0)
}

/// Reads a document from a file, or `openapi/runs.yaml` from a git revision.
///
/// # Errors
///
/// Returns an error if the source does not exist or is not supported.
pub fn open(root: &Path, source: &str, selection: &Selection) -> Result<Version, Error> {
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
    Version::new(document, selection)
}

/// Returns all changes from one document to another, in the order of the paths. Changes of
/// generated names follow.
pub fn compare(old: &Version, new: &Version) -> Vec<Change> {
    let mut comparison = Comparison::new(&old.document, &new.document);
    comparison.operations();
    comparison.events(events(&old.document), events(&new.document));
    let differences = comparison.finish();
    let mut changes = match (&old.surface, &new.surface) {
        (Ok(before), Ok(after)) => callers::attribute(&old.document, differences, before, after),
        (Err(error), _) | (_, Err(error)) => {
            callers::unknown(differences, old.document.0 != new.document.0, error)
        }
    };
    // A change is listed where it breaks something, which may be a later operation.
    let mut order: Vec<String> = Vec::new();
    for change in &changes {
        if !order.contains(&change.operation) {
            order.push(change.operation.clone());
        }
    }
    changes.sort_by_key(|change| order.iter().position(|name| *name == change.operation));
    changes
}

/// Returns the name of the largest union of events of a document.
fn events(document: &Document) -> Option<String> {
    let unions = unions::event_unions(document);
    // The first of several equal ones: `max_by_key` returns the last.
    let (_, largest) = unions.into_iter().rev().max_by_key(|(count, _)| *count)?;
    Some(largest)
}
