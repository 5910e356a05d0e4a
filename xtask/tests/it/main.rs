//! Tests of the maintainer commands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod alternatives;
mod checks;
mod compat;
mod diff;
mod diff_oracle;
mod pipeline;
mod release;
mod render;
mod rewrite;
mod robustness;
mod skipped;
mod small_documents;
mod stages;
mod vendor_crate;
mod write;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use xtask::codegen::{self, Error, Generated, Selection, document::Document};

/// Selects all operations.
fn all_operations() -> Selection {
    selection(&["/**"])
}

fn selection(patterns: &[&str]) -> Selection {
    let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Selection { patterns, ..Selection::default() }
}

fn build(document: Value) -> Result<Generated, Error> {
    codegen::build_document(Document(document), &all_operations())
}

/// A reference to a component schema.
fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The content of a body in JSON.
fn json_content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A document as a vendor might write it.
fn vendor() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/vendor.yaml")
}

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap()
}
