//! The direction of dependencies between the server's modules.

use std::fs;
use std::path::Path;

/// The folders of `src`, from the top layer down, each with those that it may use.
const FOLDERS: [(&str, &[&str]); 7] = [
    ("server", &["http", "engine", "store", "model", "events"]),
    ("http", &["engine", "store", "model", "events"]),
    ("engine", &["store", "model", "events"]),
    ("events", &["store"]),
    ("store", &[]),
    ("model", &[]),
    ("schema", &[]),
];

/// The modules below all folders, which may only use each other.
const SHARED: [&str; 10] = [
    "clock",
    "error",
    "ids",
    "json_text",
    "limits",
    "metrics",
    "operation",
    "schema",
    "shutdown",
    "text",
];

/// Returns the top-level modules that a source file refers to as `crate::…`.
fn dependencies(source: &str) -> Vec<&str> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = code.flat_map(|line| line.split("crate::").skip(1));
    paths
        .map(|path| path.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next())
        .map(Option::unwrap_or_default)
        .collect()
}

/// Checks a file or the files of a folder. Returns how many dependencies they have.
fn check(path: &Path, module: &str, allowed: &[&str]) -> usize {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        return entries.map(|entry| check(&entry.unwrap().path(), module, allowed)).sum();
    }
    let source = fs::read_to_string(path).unwrap();
    let dependencies = dependencies(&source);
    for name in &dependencies {
        let is_allowed = *name == module || allowed.contains(name) || SHARED.contains(name);
        assert!(is_allowed, "{} uses crate::{name}, which is above it", path.display());
    }
    dependencies.len()
}

#[test]
fn modules_depend_only_on_lower_layers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = FOLDERS.iter().map(|(name, allowed)| check(&src.join(name), name, allowed));
    assert!(folders.sum::<usize>() > 50, "the test does not find the dependencies");
    let files = SHARED.iter().filter(|name| **name != "schema");
    files.for_each(|name| {
        check(&src.join(format!("{name}.rs")), name, &[]);
    });
    // Each module is in one of the lists.
    for entry in fs::read_dir(&src).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_listed = FOLDERS.iter().any(|(folder, _)| *folder == name)
            || SHARED.contains(&name)
            || ["lib", "main", "program"].contains(&name);
        assert!(is_listed, "{name} is in no layer");
    }
}
