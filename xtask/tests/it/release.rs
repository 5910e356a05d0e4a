//! Releases of a small repository, and the check of the minimum Rust version.

use std::fs;
use std::path::Path;
use std::process::Command;

use semver::Version;
use serde_json::{Value, json};
use xtask::msrv;
use xtask::release::{self, Options, files};

const CHANGELOG: &str = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-01-02\n\n- Another thing.\n";
const MANIFEST: &str = r#"[workspace]
members = ["crates/*"]
resolver = "3"

[workspace.package]
version = "0.1.0"
edition = "2024"

[workspace.dependencies]
one = { path = "crates/one", version = "0.1.0" }
"#;

/// Creates a repository with two crates, one of which depends on the other.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let package = |name: &str, rest: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion.workspace = true\nedition.workspace = true\n{rest}"
        )
    };
    for (path, text) in [
        ("Cargo.toml", MANIFEST.to_owned()),
        ("CHANGELOG.md", CHANGELOG.to_owned()),
        ("crates/one/Cargo.toml", package("one", "")),
        ("crates/one/src/lib.rs", String::new()),
        ("crates/two/Cargo.toml", package("two", "[dependencies]\none.workspace = true\n")),
        ("crates/two/src/lib.rs", String::new()),
        ("passes", "echo passed".to_owned()),
        ("failing", "exit 1".to_owned()),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    run(folder.path(), "cargo", &["generate-lockfile", "--offline", "--quiet"]);
    run(folder.path(), "git", &["init", "--quiet", "--initial-branch", "main"]);
    for (key, value) in [("user.name", "Test"), ("user.email", "test@localhost")] {
        run(folder.path(), "git", &["config", key, value]);
    }
    run(folder.path(), "git", &["add", "."]);
    run(folder.path(), "git", &["commit", "--quiet", "--message", "first"]);
    folder
}

fn run(root: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).current_dir(root).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn options(version: &str, execute: bool) -> Options {
    let [version, date] = [version, "2026-03-04"].map(str::to_owned);
    Options { version, date, execute, gates: vec!["passes".to_owned()] }
}

#[test]
fn dry_run_shows_the_changes_and_makes_none() {
    let folder = repository();
    let report = release::run(folder.path(), &options("0.2.0", false)).unwrap();
    insta::assert_snapshot!(report);
    assert_eq!(run(folder.path(), "git", &["status", "--porcelain"]), "");
    assert_eq!(run(folder.path(), "git", &["tag"]), "");
}

#[test]
fn release_is_committed_and_tagged() {
    let folder = repository();
    release::run(folder.path(), &options("0.2.0", true)).unwrap();
    assert_eq!(run(folder.path(), "git", &["status", "--porcelain"]), "");
    assert_eq!(run(folder.path(), "git", &["describe", "--exact-match"]), "v0.2.0");
    assert_eq!(run(folder.path(), "git", &["log", "-1", "--format=%s"]), "release: 0.2.0");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("Cargo.toml"), MANIFEST.replace("0.1.0", "0.2.0"));
    assert_eq!(read("Cargo.lock").matches("version = \"0.2.0\"").count(), 2);
    insta::assert_snapshot!(read("CHANGELOG.md"), @"
    # Changelog

    ## [Unreleased]

    ## [0.2.0] - 2026-03-04

    ### Added

    - A thing.

    ## [0.1.0] - 2026-01-02

    - Another thing.
    ");
    // The next release needs changes of its own.
    let error = release::run(folder.path(), &options("0.3.0", true)).unwrap_err();
    assert_eq!(error.to_string(), "CHANGELOG.md: no change is listed under `## [Unreleased]`");
}

#[test]
fn release_is_refused_with_the_reason_and_changes_nothing() {
    let folder = repository();
    let root = folder.path();
    let failing = Options { gates: vec!["failing".to_owned()], ..options("0.2.0", true) };
    let mut errors = vec![
        release::run(root, &options("next", true)).unwrap_err(),
        release::run(root, &options("0.0.9", true)).unwrap_err(),
        // The changelog has a section for it.
        release::run(root, &options("0.1.0", true)).unwrap_err(),
        release::run(root, &failing).unwrap_err(),
    ];
    run(root, "git", &["tag", "v0.2.0"]);
    errors.push(release::run(root, &options("0.2.0", true)).unwrap_err());
    run(root, "git", &["checkout", "--quiet", "-b", "other"]);
    errors.push(release::run(root, &options("0.3.0", true)).unwrap_err());
    run(root, "git", &["checkout", "--quiet", "main"]);
    assert_eq!(run(root, "git", &["status", "--porcelain"]), "");
    fs::write(root.join("new.txt"), "").unwrap();
    errors.push(release::run(root, &options("0.3.0", true)).unwrap_err());
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(texts.join("\n"), @"
    `next` is not a version: unexpected character 'n' while parsing major version number
      help: use MAJOR.MINOR.PATCH, such as 0.2.0
    0.0.9 is older than the present version 0.1.0
    CHANGELOG.md: 0.1.0 has a section already
    the gate failing failed; see its output above
    the tag v0.2.0 exists
      help: choose another version
    the branch is `other`
      help: release from `main`
    the work tree has changes:
    ?? new.txt
      help: commit or remove them
    ");
    assert_eq!(run(root, "git", &["rev-list", "--count", "HEAD"]), "1");
}

#[test]
fn versions_are_only_changed_where_the_workspace_has_them() {
    let [from, to] = ["0.1.0", "1.0.0"].map(|version| Version::parse(version).unwrap());
    let manifest = format!("{MANIFEST}other = {{ version = \"0.1.0\" }}\n");
    let bumped = files::bumped(&manifest, &from, &to).unwrap();
    assert!(
        bumped.ends_with("version = \"1.0.0\" }\nother = { version = \"0.1.0\" }\n"),
        "{bumped}"
    );
    assert!(files::bumped(&manifest, &to, &from).is_err());
    assert_eq!(files::version(&bumped).unwrap(), to);
}

#[test]
fn breaking_changes_require_a_version_that_may_break() {
    let changelog = CHANGELOG.replace("### Added", "### Breaking");
    let released = |present: &str, version: &str| {
        let [present, version] = [present, version].map(|text| Version::parse(text).unwrap());
        files::released(&changelog, &present, &version, "2026-03-04").map_err(|it| it.to_string())
    };
    for (present, version) in
        [("0.1.1", "0.2.0"), ("0.9.0", "1.0.0"), ("1.2.0", "2.0.0"), ("0.2.0", "0.2.0")]
    {
        assert!(released(present, version).is_ok(), "{present} to {version}");
    }
    for (present, version) in [("0.1.1", "0.1.2"), ("1.2.0", "1.3.0")] {
        let error = released(present, version).unwrap_err();
        assert_eq!(
            error,
            format!(
                "CHANGELOG.md: `### Breaking` is listed, which {version} after {present} may not have"
            )
        );
    }
}

/// The metadata of a published crate, with a dependency and a development dependency.
fn metadata(dependency: &str, development: &str) -> String {
    let package = |name: &str, rust_version: &str, source: Value| {
        json!({ "id": name, "name": name, "version": "1.0.0", "rust_version": rust_version,
                "publish": null, "source": source })
    };
    let edge = |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
    json!({
        "packages": [
            package("ours", "1.88", Value::Null),
            package("dependency", dependency, json!("registry")),
            package("development", development, json!("registry")),
        ],
        "resolve": { "nodes": [
            { "id": "ours", "deps": [edge("dependency", Value::Null), edge("development", json!("dev"))] },
            { "id": "dependency", "deps": [] },
            { "id": "development", "deps": [] },
        ] },
    })
    .to_string()
}

#[test]
fn dependencies_must_support_the_minimum_rust_version() {
    let passed = "ours: 2 packages support Rust 1.88.0";
    assert_eq!(msrv::check(&metadata("1.88.0", "1.95")).unwrap(), passed);
    assert_eq!(msrv::check(&metadata("1.9", "1.95")).unwrap(), passed);
    let error = msrv::check(&metadata("1.89", "1.60")).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "these dependencies of ours need a newer Rust than 1.88.0: dependency 1.0.0 (1.89.0)"
        ),
        "{error}"
    );
    assert!(msrv::check("{}").is_err());
}
