//! `cargo xtask codegen`: from any OpenAPI document to a crate, and so from `openapi/runs.yaml` to
//! `crates/runstep-api`.
//!
//! Each step is a function from document to document, or to code; [`build`] is their order.

pub mod docs;
pub mod document;
pub mod enums;
pub mod error;
pub mod examples;
pub mod generator;
pub mod lower;
pub mod names;
pub mod polish;
pub mod read;
pub mod recursion;
pub mod render;
pub mod select;
pub mod streams;
pub mod supported;
pub mod surface;
pub mod tags;
pub mod tolerate;
pub mod unions;
pub mod write;

use std::path::{Path, PathBuf};

use document::Document;
use serde_json::Value;

pub use error::Error;
pub use select::Selection;
pub use write::{check, write};

/// A generated file: where it goes within the crate, and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// The path below the crate's folder.
    pub path: PathBuf,
    /// The content.
    pub text: String,
}

/// What the steps make of a document, before it becomes text.
pub struct Generated {
    /// The document as it was read, as far as it is selected.
    pub original: Document,
    /// The document that the code is generated from.
    pub document: Document,
    /// The client and the structs.
    pub code: polish::Code,
    /// The unions.
    pub unions: unions::Unions,
    /// The enums.
    pub enums: Vec<enums::OpenEnum>,
}

/// The JSON body of an operation's requests.
pub struct RequestBody<'a> {
    /// The operation's ID.
    pub operation_id: &'a str,
    /// Name of the type.
    pub name: String,
    /// Its schema.
    pub schema: &'a Value,
}

impl Generated {
    /// Returns the request bodies, in the order of the operations.
    pub fn request_bodies(&self) -> Vec<RequestBody<'_>> {
        let operations = self.document.operations();
        let bodies = operations.filter_map(|(_, _, operation)| {
            let operation_id = operation.get("operationId")?.as_str()?;
            let body = self.document.resolved(operation.get("requestBody")?);
            let schema = body.get("content")?.get(lower::JSON)?.get("schema")?;
            Some(
                match document::target(schema).and_then(|it| Some((it, self.document.schema(it)?)))
                {
                    Some((name, schema)) => {
                        RequestBody { operation_id, name: document::rust_name(name), schema }
                    }
                    // The generator names the type of an inline body after the operation.
                    None => {
                        let name = format!("{}Body", document::rust_name(operation_id));
                        RequestBody { operation_id, name, schema }
                    }
                },
            )
        });
        bodies.collect()
    }
}

/// Runs the steps, in their order.
///
/// # Errors
///
/// When the document cannot be read, or has something in it that no step can take.
pub fn build(specification: &Path, selection: &Selection) -> Result<Generated, Error> {
    build_document(read::read(specification)?, selection)
}

/// Runs the steps after the first, on a document that was read.
///
/// # Errors
///
/// When the document has something in it that no step can take.
pub fn build_document(document: Document, selection: &Selection) -> Result<Generated, Error> {
    let original = select::select(document, selection)?;
    supported::check(&original)?;
    let document = lower::lower(original.clone())?;
    let document = names::name_inline_types(document)?;
    let replies = tolerate::only_in_replies(&document);
    let document = tolerate::tolerate_missing(document, &replies);
    let (document, unions) = unions::tag_unions(document)?;
    let enums = enums::open_enums(&document);
    let tokens = generator::generate(&document, &unions, &enums)?;
    let boxed = recursion::boxed(&document, &unions);
    let streams = streams::streaming_operations(&original);
    let shape = polish::Shapes {
        document: &document,
        enums: &enums,
        replies: &replies,
        boxed: &boxed,
        streams: &streams,
    };
    let code = polish::polish(tokens, &shape)?;
    Ok(Generated { original, document, code, unions, enums })
}

/// All files of `runstep-api`, from the specification at a path.
///
/// # Errors
///
/// As [`build`].
pub fn generate(specification: &Path, selection: &Selection) -> Result<Vec<File>, Error> {
    render::render_workspace(specification, &build(specification, selection)?)
}

/// A crate that stands by itself, from any vendor's document.
///
/// # Errors
///
/// As [`build`].
pub fn generate_crate(
    specification: &Path,
    selection: &Selection,
    name: &str,
) -> Result<Vec<File>, Error> {
    let mut files = render::render(specification, name, &build(specification, selection)?)?;
    files.push(render::manifest(name, specification));
    Ok(files)
}
