//! A crate that is generated from a vendor's document compiles without warnings, its examples
//! round-trip, and the tests in `fixtures/vendor_guarantees.rs` pass.

use std::fs;
use std::path::Path;
use std::process::Command;

use xtask::codegen::{self, Selection};

use crate::vendor;

#[test]
fn crate_from_a_vendors_document_compiles_and_keeps_its_guarantees() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The folder is the same each time, so that cargo does not compile everything again.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor");
    let files = codegen::generate_crate(&vendor(), &Selection::default(), "vendor").unwrap();
    codegen::write(&files, &folder).unwrap();
    copy(
        &vendor().with_file_name("vendor_guarantees.rs"),
        &folder.join("tests/vendor_guarantees.rs"),
    );
    // The lock file of the workspace has all dependencies, so the build works offline.
    fs::copy(manifest.join("../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    cargo(&folder, &["clippy", "--all-targets", "--", "-D", "warnings"]);
    let tests = cargo(&folder, &["test"]);
    for name in [
        "start_run",
        "search",
        "match_",
        "outline",
        "run_round_trips",
        "request_bodies_are_validated",
        "required_property_may_have_any_type",
        "object_may_have_many_properties",
        "deep_variants_with_their_discriminator_last_do_not_overflow_the_stack",
        "nested_lists_and_maps_are_read_and_written_once",
        "last_of_repeated_values_that_are_not_listed_counts",
        "number_out_of_range_is_kept",
        "object_that_requires_itself_may_end",
    ] {
        assert!(tests.contains(&format!("test {name} ... ok")), "{name} did not run:\n{tests}");
    }
}

/// Copies a file, unless the copy is up to date: cargo compares modification times.
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
        // The settings of the outer cargo do not apply.
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed:\n{output_text}\n{errors}");
    output_text
}
