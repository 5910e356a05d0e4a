//! `cargo xtask codegen`: generates a Rust crate from an OpenAPI document, and
//! `crates/runstep-api` from `openapi/runs.yaml`.
//!
//! [`mod@read`] parses the document, the [`STAGES`] turn it into code, [`render`] makes files of the
//! code, and [`mod@write`] replaces the files on disk.

// Blank lines keep rustfmt from sorting the modules: they are in the order of the stages.
pub mod document;
pub mod error;

pub mod read;
pub mod select;

pub mod checks;

pub mod lower;

pub mod names;

pub mod optional_fields;

pub mod unions;

pub mod enums;

pub mod generate;

pub mod boxing;
pub mod event_streams;

pub mod doc_comments;
pub mod rewrite;

pub mod render;
pub mod skip;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use serde_json::Value;
use syn::{Item, ItemStruct};

use document::{Document, rust_name, target};
use enums::OpenEnum;
use rewrite::Code;
use unions::Unions;

pub use error::Error;
pub use select::Selection;
pub use skip::{Skipped, build_supported};
pub use write::{check, write};

/// A stage of code generation, from a document to code.
#[derive(Clone, Copy)]
pub struct Stage {
    /// Name of the module.
    pub name: &'static str,
    /// What the stage changes, and why the generator needs it.
    pub purpose: &'static str,
    run: fn(&mut Generated, &Selection) -> Result<(), Error>,
}

/// The stages, in order.
pub const STAGES: [Stage; 10] = [
    Stage {
        name: "select",
        purpose: "keeps the selected operations and what they refer to: a vendor's document has \
                  many more",
        run: |generated, selection| {
            generated.document = select::select(generated.document.take(), selection)?;
            generated.original = generated.document.clone();
            Ok(())
        },
    },
    Stage {
        name: "checks",
        purpose: "rejects what no stage supports, with its location: progenitor would panic or \
                  fail without one",
        run: |generated, _| checks::check(&generated.document),
    },
    Stage {
        name: "lower",
        purpose: "rewrites OpenAPI 3.1 as 3.0, and every construct in the one form that progenitor \
                  and typify handle well",
        run: |generated, _| {
            generated.document = lower::lower(generated.document.take())?;
            Ok(())
        },
    },
    Stage {
        name: "names",
        purpose: "makes components of inline enums, unions and objects, so that they can be \
                  replaced and shared",
        run: |generated, _| {
            generated.document = names::name_inline_types(generated.document.take())?;
            generated.origins = names::origins(&generated.document);
            Ok(())
        },
    },
    Stage {
        name: "optional_fields",
        purpose: "decides which properties of responses must be present: many servers omit some \
                  that the document requires",
        run: |generated, selection| {
            generated.response_only = optional_fields::response_only_schemas(&generated.document);
            if !selection.strict_responses {
                generated.document = optional_fields::make_optional(generated.document.take())?;
            }
            generated.document = optional_fields::make_finite(generated.document.take());
            Ok(())
        },
    },
    Stage {
        name: "unions",
        purpose: "extracts unions: typify's untagged enums try one variant after the other, and \
                  their errors have no reason",
        run: |generated, selection| {
            (generated.document, generated.unions) =
                unions::extract_unions(generated.document.take(), selection)?;
            Ok(())
        },
    },
    Stage {
        name: "enums",
        purpose: "extracts string enums: typify's fail to decode a value that the document does \
                  not list",
        run: |generated, _| {
            generated.enums = enums::extract_enums(&generated.document);
            Ok(())
        },
    },
    Stage {
        name: "generate",
        purpose: "runs progenitor and typify: client methods and structs",
        run: |generated, _| {
            generated.tokens =
                generate::generate(&generated.document, &generated.unions, &generated.enums)?;
            Ok(())
        },
    },
    Stage {
        name: "boxing",
        purpose: "finds recursion through unions, which typify cannot see, and operations that \
                  may respond with events",
        run: |generated, selection| {
            generated.boxed = boxing::boxed_properties(&generated.document, &generated.unions);
            generated.event_streams = event_streams::streaming_operations(&generated.original);
            let selected = event_streams::selected(generated, &selection.streams)?;
            generated.event_streams.extend(selected);
            Ok(())
        },
    },
    Stage {
        name: "rewrite",
        purpose: "rewrites the generated code: no total timeout, errors with a JSON path, \
                  constructors, setters, and methods that stream",
        run: |generated, _| {
            let context = rewrite::Context {
                document: &generated.document,
                enums: &generated.enums,
                response_only: &generated.response_only,
                boxed: &generated.boxed,
                event_streams: &generated.event_streams,
            };
            generated.code = rewrite::rewrite(std::mem::take(&mut generated.tokens), &context)?;
            Ok(())
        },
    },
];

/// A generated file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// The path, relative to the crate.
    pub path: PathBuf,
    /// The content.
    pub text: String,
}

/// The result of the stages, before it is rendered as text.
#[derive(Default)]
pub struct Generated {
    /// The selected document, before it is lowered.
    pub original: Document,
    /// The document that the code is generated from.
    pub document: Document,
    /// The client and the structs.
    pub code: Code,
    /// The unions.
    pub unions: Unions,
    /// The string enums.
    pub enums: Vec<OpenEnum>,
    /// The operations that are not supported.
    pub skipped: Vec<Skipped>,
    // What stages find out for later stages.
    response_only: BTreeSet<String>,
    origins: BTreeMap<String, String>,
    tokens: TokenStream,
    boxed: BTreeSet<(String, String)>,
    event_streams: BTreeSet<String>,
}

/// The JSON request body of an operation.
pub struct RequestBody<'a> {
    /// The operation ID.
    pub operation_id: &'a str,
    /// The Rust name of the type.
    pub name: String,
    /// The schema.
    pub schema: &'a Value,
}

impl Generated {
    /// Returns what the user of the generator should know: operations that are not supported, unions
    /// without types, and operations that may stream although the document does not say so.
    pub fn notes(&self) -> Vec<String> {
        let skipped = self.skipped.iter();
        let mut notes: Vec<String> = skipped
            .map(|Skipped { operation, reason }| format!("skipped {operation}: {reason}"))
            .collect();
        let untyped = self.unions.unions.iter().filter(|union| union.is_untyped());
        notes.extend(untyped.map(|union| {
            format!(
                "the objects of `{}` have no discriminator, so that they are maps of JSON values",
                union.name
            )
        }));
        notes.extend(event_streams::notes(self));
        notes
    }

    /// Returns the structs by name, in the order of the code.
    pub fn structs(&self) -> impl Iterator<Item = (String, &ItemStruct)> + Clone {
        self.code.structs.items.iter().filter_map(|item| match item {
            Item::Struct(item) => Some((item.ident.to_string(), item)),
            _ => None,
        })
    }

    /// Returns the request bodies, in the order of the operations.
    pub fn request_bodies(&self) -> Vec<RequestBody<'_>> {
        let bodies = self.document.operations().filter_map(|(_, _, operation)| {
            let operation_id = operation.get("operationId")?.as_str()?;
            let body = self.document.resolved(operation.get("requestBody")?);
            let schema = body.get("content")?.get(lower::JSON)?.get("schema")?;
            let component = target(schema)
                .and_then(|name| self.document.schemas().find(|(component, _)| *component == name));
            Some(match component {
                Some((name, schema)) => RequestBody { operation_id, name: rust_name(name), schema },
                // Typify names the type of an inline body after the operation.
                None => {
                    let name = format!("{}Body", rust_name(operation_id));
                    RequestBody { operation_id, name, schema }
                }
            })
        });
        bodies.collect()
    }
}

/// Reads a document and runs the stages.
///
/// # Errors
///
/// Returns an error if the document cannot be read or a stage does not support it.
pub fn build(specification: &Path, selection: &Selection) -> Result<Generated, Error> {
    build_document(read::read(specification)?, selection)
}

/// Runs the stages on a document.
///
/// # Errors
///
/// Returns an error if a stage does not support the document.
pub fn build_document(document: Document, selection: &Selection) -> Result<Generated, Error> {
    let mut generated = Generated { document, ..Generated::default() };
    for stage in STAGES {
        (stage.run)(&mut generated, selection)
            .map_err(|error| as_written(error, &generated.origins, &generated.original))?;
    }
    Ok(generated)
}

/// Returns an error whose pointer is to the document as it was written, before stages moved inline
/// schemas and rewrote others.
fn as_written(error: Error, origins: &BTreeMap<String, String>, original: &Document) -> Error {
    let Error::Document { mut pointer, reason, help } = error else { return error };
    // An inline schema may have been inside another one.
    for _ in 0..=origins.len() {
        let rest = pointer.strip_prefix("/components/schemas/");
        let (name, rest) =
            rest.map_or(("", ""), |rest| rest.split_at(rest.find('/').unwrap_or(rest.len())));
        let Some(origin) = origins.get(name) else { break };
        pointer = format!("{origin}{rest}");
    }
    if original.0.is_object() && pointer.starts_with('/') {
        while original.0.pointer(&pointer).is_none() {
            let Some(parent) = pointer.rfind('/') else { break };
            pointer.truncate(parent);
        }
    }
    if pointer.is_empty() {
        return Error::at("", reason, help);
    }
    Error::Document { pointer, reason, help }
}

/// Generates the files of `runstep-api`, the request builders of the SDK, and the operations of the command
/// line.
///
/// # Errors
///
/// The same as for [`build`].
pub fn generate(specification: &Path, selection: &Selection) -> Result<Vec<File>, Error> {
    render::render_workspace(specification, &build(specification, selection)?)
}

/// Generates the files of a standalone crate, from any vendor's document.
///
/// # Errors
///
/// The same as for [`build`].
pub fn generate_crate(
    specification: &Path,
    selection: &Selection,
    name: &str,
) -> Result<Vec<File>, Error> {
    render_crate(specification, &build(specification, selection)?, name)
}

/// Renders the files of a standalone crate.
///
/// # Errors
///
/// Returns an error if the generated code is not valid.
pub fn render_crate(
    specification: &Path,
    generated: &Generated,
    name: &str,
) -> Result<Vec<File>, Error> {
    let mut files = render::render(specification, name, generated)?;
    files.push(render::manifest(name, specification));
    Ok(files)
}
