//! `cargo xtask codegen`: from `openapi/runs.yaml` to `crates/runstep-api`.
//!
//! Each step is a function from document to document, or to code; [`generate`] is their order.

pub mod document;
pub mod enums;
pub mod error;
pub mod examples;
pub mod generator;
pub mod lower;
pub mod names;
pub mod polish;
pub mod read;
pub mod render;
pub mod tolerate;
pub mod unions;
pub mod write;

use std::path::{Path, PathBuf};

pub use error::Error;
pub use write::{check, write};

/// A generated file: where it goes within the crate, and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// The path below the crate's folder.
    pub path: PathBuf,
    /// The content.
    pub text: String,
}

/// All files of the crate, from the specification at a path.
pub fn generate(specification: &Path) -> Result<Vec<File>, Error> {
    let original = read::read(specification)?;
    let replies = tolerate::only_in_replies(&original);
    let document = lower::lower(original.clone())?;
    let document = tolerate::tolerate_missing(document, &replies);
    let document = names::name_inline_types(document)?;
    let (document, unions) = unions::tag_unions(document)?;
    let enums = enums::open_enums(&document);
    let tokens = generator::generate(&document, &unions, &enums)?;
    let code = polish::polish(tokens, &document, &enums, &replies)?;
    render::render(specification, &original, &code, &unions, &enums)
}
