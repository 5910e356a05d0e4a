//! The modules of the program are layers: each imports only from layers below it.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the bottom up.
const LAYERS: [&str; 12] = [
    "exit",
    "error",
    "input",
    "secrets",
    "terminal",
    "interrupts",
    "outcome",
    "connection",
    "follow",
    "commands",
    "arguments",
    "dispatch",
];

#[test]
fn modules_import_only_from_lower_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = 0;
    for file in source_files(&root) {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        if name == "main.rs" {
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        // The SDK has everything that the program needs.
        assert!(!source.contains("runstep_api") && !source.contains("runstep_server"), "{name}");
        let layer = layer_of(name.trim_end_matches(".rs"));
        let layer = layer.unwrap_or_else(|| panic!("{name} belongs to no layer"));
        for path in source.lines().filter_map(|line| line.trim_start().strip_prefix("use crate::"))
        {
            let imported = layer_of(path).unwrap_or_else(|| panic!("{path} belongs to no layer"));
            imports += 1;
            assert!(imported <= layer, "{name} imports `{path}` from a higher layer");
        }
    }
    assert!(imports > 50, "only {imports} imports were found");
}

fn layer_of(path: &str) -> Option<usize> {
    let first = path.split([':', '/', ';']).next();
    LAYERS.iter().position(|layer| Some(*layer) == first)
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| match path.is_dir() {
        true => source_files(&path),
        false => vec![path],
    });
    files.collect()
}
