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
    /// The client and the structs.
    pub code: polish::Code,
    /// The unions.
    pub unions: unions::Unions,
    /// The enums.
    pub enums: Vec<enums::OpenEnum>,
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
    Ok(Generated { original, code, unions, enums })
}

/// All files of `runstep-api`, from the specification at a path.
///
/// # Errors
///
/// As [`build`].
pub fn generate(specification: &Path, selection: &Selection) -> Result<Vec<File>, Error> {
    render::render(specification, "runstep-api", &build(specification, selection)?)
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
