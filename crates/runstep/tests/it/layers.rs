//! The modules of the crate are layers: each imports only from layers below it.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the bottom up.
const LAYERS: [&str; 19] = [
    "time",
    "run_ref",
    "headers",
    "error",
    "into_completed",
    "suspended",
    "arguments",
    "transport",
    "client",
    "run_request",
    "pagination",
    "resources",
    "polling",
    "schema",
    "step_calls",
    "streaming",
    "tools",
    "structured",
    "docs",
];

#[test]
fn modules_import_only_from_lower_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = 0;
    for file in source_files(&root) {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        if name == "lib.rs" {
            continue;
        }
        let layer = layer_of(name.trim_end_matches(".rs").replace('/', "::").as_str());
        let layer = layer.unwrap_or_else(|| panic!("{name} belongs to no layer"));
        for path in imported_paths(&fs::read_to_string(&file).unwrap()) {
            let Some(imported) = layer_of(&path) else { continue };
            imports += 1;
            assert!(
                imported <= layer,
                "{name} is in layer `{}` and imports `{path}` from the higher layer `{}`",
                LAYERS[layer],
                LAYERS[imported],
            );
        }
    }
    assert!(imports > 100, "only {imports} imports were found");
}

fn layer_of(path: &str) -> Option<usize> {
    let contains = |layer: &str| path == layer || path.starts_with(&format!("{layer}::"));
    LAYERS.iter().position(|layer| contains(layer))
}

/// Returns the paths below `crate` in `use` declarations, without those in test modules.
fn imported_paths(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    source
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("use crate::"))
        .map(|path| path.trim_end_matches(';').replace('{', ""))
        .collect()
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
