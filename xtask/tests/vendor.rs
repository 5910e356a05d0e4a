//! A crate that is generated from a vendor's document holds what is promised of it: it compiles
//! without a warning, its examples go there and back, and the guarantees of
//! `fixtures/vendor_guarantees.rs` hold.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

use xtask::codegen::{self, Selection};

#[test]
fn a_crate_from_a_vendors_document_holds_what_is_promised() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixtures = manifest.join("tests/fixtures");
    // Below the target folder, wherever that is, and the same each time: what was compiled is kept.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor");
    let files =
        codegen::generate_crate(&fixtures.join("vendor.yaml"), &Selection::default(), "vendor")
            .unwrap();
    codegen::write(&files, &folder).unwrap();
    copy(&fixtures.join("vendor_guarantees.rs"), &folder.join("tests/vendor_guarantees.rs"));
    // All that the crate needs is in the workspace's lock file, and so on this machine.
    fs::copy(manifest.join("../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    cargo(&folder, &["clippy", "--all-targets", "--", "-D", "warnings"]);
    let tests = cargo(&folder, &["test"]);
    for name in [
        "start_run",
        "search",
        "match_",
        "outline",
        "a_run_goes_there_and_back",
        "request_bodies_are_validated",
    ] {
        assert!(tests.contains(&format!("test {name} ... ok")), "{name} did not run:\n{tests}");
    }
}

/// Copies what is not the same already: a file that was not touched is not compiled again.
fn copy(from: &Path, to: &Path) {
    let text = fs::read_to_string(from).unwrap();
    if fs::read_to_string(to).is_ok_and(|present| present == text) {
        return;
    }
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(to, text).unwrap();
}

fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let (first, rest) = arguments.split_first().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor-target");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(folder)
        .args([first, "--offline"])
        .args(rest)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_TERM_COLOR", "never")
        // Not those of the run that this test is part of.
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed:\n{said}\n{errors}");
    said
}
