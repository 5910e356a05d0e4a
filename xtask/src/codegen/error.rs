//! What can go wrong while generating, said so that a maintainer knows where and what to do.

use std::io;
use std::path::PathBuf;

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is no YAML or JSON.
    #[error("{}: {reason}\n  help: mend the syntax at that place", path.display())]
    Syntax {
        /// The document.
        path: PathBuf,
        /// The parser's words, with line and column.
        reason: String,
    },
    /// What was named is no document.
    #[error("`{0}` is neither a file nor a git revision that has openapi/runs.yaml")]
    NoSource(String),
    /// A place in the document that cannot be taken.
    #[error("at {pointer}: {reason}\n  help: {help}")]
    Document {
        /// JSON pointer of the place.
        pointer: String,
        /// What is wrong there.
        reason: String,
        /// What to do about it.
        help: String,
    },
    /// The generator refused what the steps made of the document.
    #[error(
        "the generator refused the document: {0}\n  help: look for a construct that no step brings into shape"
    )]
    Generator(String),
    /// The generator's code is not as the steps after it know it.
    #[error(
        "the generated code is not as it was: {0}\n  help: this is a defect of codegen, or a new version of the generator; look at the steps `names` and `polish`"
    )]
    Unexpected(String),
    /// The generated code is no Rust: a defect of a step.
    #[error(
        "the generated code does not parse: {0}\n  help: this is a defect of codegen; please report it with the document"
    )]
    Unparsable(#[from] syn::Error),
    /// A file is in the way that somebody wrote.
    #[error(
        "{} is not generated: it does not begin with `@generated`, so nothing was written\n  help: move it away, or give another folder by `--out`", .0.display()
    )]
    NotOurs(PathBuf),
    /// The committed code is not what the specification gives.
    #[error(
        "{0} generated file(s) differ\n  help: run `cargo xtask codegen` and commit the result; never edit them by hand"
    )]
    Drift(usize),
}

impl Error {
    /// A place in the document that cannot be taken.
    pub fn at(
        pointer: impl Into<String>,
        reason: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let pointer = pointer.into();
        Self::Document {
            pointer: if pointer.is_empty() {
                "the top of the document".to_owned()
            } else {
                pointer
            },
            reason: reason.into(),
            help: help.into(),
        }
    }
}
