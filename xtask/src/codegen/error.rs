//! Errors of code generation: what is wrong, where, and what to do.

use std::io;
use std::path::PathBuf;

/// An error of code generation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The text is not valid YAML or JSON.
    #[error("{}: {reason}\n  help: correct the syntax there", path.display())]
    Syntax {
        /// The document.
        path: PathBuf,
        /// The parser's message, with line and column.
        reason: String,
    },
    /// The document has no content.
    #[error("{}: the document is empty\n  help: use an OpenAPI 3.0.x or 3.1.x document", .0.display())]
    Empty(PathBuf),
    /// The source is neither a file nor a git revision.
    #[error("`{0}` is neither a file nor a git revision that has openapi/runs.yaml")]
    UnknownSource(String),
    /// The document is not valid, or has a construct that is not supported.
    #[error("at {pointer}: {reason}\n  help: {help}")]
    Document {
        /// JSON pointer to the construct.
        pointer: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        help: String,
    },
    /// Progenitor does not support the lowered document.
    #[error(
        "progenitor does not support the document: {0}\n  help: look for a construct that no stage lowers"
    )]
    Generator(String),
    /// Progenitor's code has another form than the stages expect.
    #[error(
        "unexpected generated code: {0}\n  help: this is a bug of codegen, or a new version of progenitor; see the stages `names` and `rewrite`"
    )]
    Unexpected(String),
    /// The generated code is not valid Rust.
    #[error(
        "the generated code does not parse: {0}\n  help: this is a bug of codegen; please report it with the document"
    )]
    Unparsable(#[from] syn::Error),
    /// A hand-written file has the path of a generated one.
    #[error(
        "{} is not generated: it does not begin with `@generated`, so nothing was written\n  help: move it, or choose another folder with `--out`", .0.display()
    )]
    NotGenerated(PathBuf),
    /// The committed code differs from what the specification generates.
    #[error(
        "{0} generated file(s) differ\n  help: run `cargo xtask codegen` and commit the result; do not edit generated files by hand"
    )]
    Drift(usize),
}

impl Error {
    /// Returns a copy of an error about a part of the document.
    pub(super) fn copy(&self) -> Option<Self> {
        match self {
            Self::Document { pointer, reason, help } => {
                Some(Self::at(pointer.as_str(), reason.as_str(), help.as_str()))
            }
            _ => None,
        }
    }

    /// Creates an error about a part of the document.
    pub fn at(
        pointer: impl Into<String>,
        reason: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let pointer = pointer.into();
        Self::Document {
            pointer: if pointer.is_empty() {
                "the root of the document".to_owned()
            } else {
                pointer
            },
            reason: reason.into(),
            help: help.into(),
        }
    }
}
