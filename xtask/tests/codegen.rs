//! The whole pipeline: what comes out, that it comes out the same, and that bad input touches
//! nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use xtask::codegen::{self, Selection};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn vendor() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendor.yaml")
}

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap()
}

/// A message without the folder of this run.
fn message(output: &Output, folder: &Path) -> String {
    String::from_utf8_lossy(&output.stderr).replace(&folder.display().to_string(), "FOLDER")
}

#[test]
fn the_public_surface_is_reviewed_line_by_line() {
    let generated =
        codegen::build(&root().join("openapi/runs.yaml"), &Selection::default()).unwrap();
    insta::assert_snapshot!(codegen::surface::surface(&generated));
}

#[test]
fn the_surface_of_a_vendors_document() {
    let generated = codegen::build(&vendor(), &Selection::default()).unwrap();
    insta::assert_snapshot!(codegen::surface::surface(&generated));
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    let generate = || codegen::generate_crate(&vendor(), &Selection::default(), "vendor").unwrap();
    assert_eq!(generate(), generate());
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("vendor.yaml");
    fs::copy(vendor(), &copy).unwrap();
    let moved = codegen::generate_crate(&copy, &Selection::default(), "vendor").unwrap();
    assert_eq!(generate(), moved);
}

#[test]
fn json_gives_what_yaml_gives() {
    let folder = tempfile::tempdir().unwrap();
    let document = codegen::read::read(&vendor()).unwrap();
    let json = folder.path().join("vendor.json");
    fs::write(&json, document.0.to_string()).unwrap();
    let surface = |path: &Path| {
        codegen::surface::surface(&codegen::build(path, &Selection::default()).unwrap())
    };
    assert_eq!(surface(&json), surface(&vendor()));
}

#[test]
fn no_enum_is_untagged() {
    for specification in [root().join("openapi/runs.yaml"), vendor()] {
        for file in codegen::generate(&specification, &Selection::default()).unwrap() {
            assert!(!file.text.contains("untagged"), "{}", file.path.display());
        }
    }
}

#[test]
fn a_changed_value_is_drift_and_check_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = codegen::generate_crate(&vendor(), &Selection::default(), "vendor").unwrap();
    assert_eq!(codegen::write(&files, folder.path()).unwrap(), files.len());
    assert_eq!(codegen::write(&files, folder.path()).unwrap(), 0);
    codegen::check(&files, folder.path(), &mut |_| panic!("nothing differs")).unwrap();

    let enums = folder.path().join("src/enums.rs");
    let changed = fs::read_to_string(&enums).unwrap().replace("\"in-progress\"", "\"in_progress\"");
    fs::write(&enums, &changed).unwrap();
    fs::write(folder.path().join("src/stray.rs"), "").unwrap();
    let mut shown = String::new();
    let error =
        codegen::check(&files, folder.path(), &mut |text| shown.push_str(text)).unwrap_err();
    assert!(error.to_string().starts_with("2 generated file(s) differ"), "{error}");
    assert!(
        shown.contains(
            "-        InProgress = \"in_progress\",\n+        InProgress = \"in-progress\","
        ),
        "{shown}"
    );
    assert!(shown.contains("src/stray.rs is not generated"), "{shown}");
    assert_eq!(fs::read_to_string(&enums).unwrap(), changed);

    codegen::write(&files, folder.path()).unwrap();
    codegen::check(&files, folder.path(), &mut |_| panic!("nothing differs")).unwrap();
}

#[test]
fn bad_input_is_one_message_and_touches_no_file() {
    let good = fs::read_to_string(vendor()).unwrap();
    let cases = [
        ("yaml", "openapi: [3.1.0\n".to_owned()),
        ("json", "{\"openapi\": \"3.1.0\",\n \"paths\": }".to_owned()),
        ("not_a_document", "just text\n".to_owned()),
        ("twice", "openapi: 3.1.0\nopenapi: 3.1.0\n".to_owned()),
        ("swagger", "swagger: '2.0'\npaths: {}\n".to_owned()),
        ("version", "openapi: 4.0.0\npaths: {}\n".to_owned()),
        ("no_paths", "openapi: 3.1.0\n".to_owned()),
        ("nowhere", good.replace("'#/components/schemas/Fault'", "'#/components/schemas/Gone'")),
        ("outside", good.replace("'#/components/schemas/Fault'", "'other.yaml#/Fault'")),
        ("missing_operation", good.replace("/cancel:", "/stop:")),
        ("untold", good.replace("enum: [step.called]", "enum: [step.said]")),
        ("circle", good.replace("- { type: object, required: [kind], properties: { kind: { type: string } } }", "- { $ref: '#/components/schemas/Call' }")),
        ("unsupported", good.replace("content: { application/json: { schema: { $ref: '#/components/schemas/Outputs' } } }", "content: { text/csv: { schema: { type: object } } }")),
    ];
    let mut told = String::new();
    for (name, text) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join("api.yaml"), folder.path().join("out"));
        fs::write(&file, text).unwrap();
        fs::create_dir_all(out.join("src")).unwrap();
        fs::write(out.join("src/lib.rs"), "untouched").unwrap();
        let output =
            xtask(&["codegen", "--spec", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_eq!(fs::read_to_string(out.join("src/lib.rs")).unwrap(), "untouched", "{name}");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "{name}");
        told.push_str(&format!("{name}\n{}\n", message(&output, folder.path())));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_document_that_is_not_there_is_told() {
    let output = xtask(&["codegen", "--spec", "no/such/file.yaml", "--out", "target/nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(message(&output, Path::new("unused")).contains("no/such/file.yaml: No such file"));
}
