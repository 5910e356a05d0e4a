//! Writes generated files. All files are staged as temporary files before the first is replaced,
//! and a file that is not generated is never replaced.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use similar::TextDiff;
use tempfile::NamedTempFile;

use super::File;
use super::error::Error;

/// The text at the start of a generated file, inside a comment.
const MARKER: &str = "@generated";

fn at(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| Error::File { path: path.to_owned(), source }
}

/// Writes files to a folder, and removes files that are no longer generated. Returns the number of
/// files that changed.
///
/// # Errors
///
/// Returns [`Error::NotGenerated`] if a hand-written file has the path of a generated one. If there
/// is an error before the first replacement, no file changes.
pub fn write(files: &[File], folder: &Path) -> Result<usize, Error> {
    let stale = stale(files, folder)?;
    let changed: Vec<(PathBuf, &File)> = files
        .iter()
        .map(|file| (folder.join(&file.path), file))
        .filter(|(path, file)| fs::read(path).ok().as_deref() != Some(file.text.as_bytes()))
        .collect();
    let crate_is_generated =
        is_generated(&folder.join("src/lib.rs")) || is_generated(&folder.join("Cargo.toml"));
    for path in changed.iter().map(|(path, _)| path).chain(&stale) {
        // JSON has no comments, so a JSON file counts as generated if the crate does.
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let replaceable = if is_json { crate_is_generated } else { is_generated(path) };
        if !replaceable && path.symlink_metadata().is_ok() {
            return Err(Error::NotGenerated(path.clone()));
        }
    }
    let mut staged = Vec::new();
    for (path, file) in &changed {
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(at(parent))?;
        let mut temporary = NamedTempFile::new_in(parent).map_err(at(parent))?;
        temporary.write_all(file.text.as_bytes()).map_err(at(path))?;
        readable_by_all(&temporary).map_err(at(path))?;
        staged.push((path, temporary));
    }
    for (path, temporary) in staged {
        temporary.persist(path).map_err(|error| at(path)(error.error))?;
    }
    for path in &stale {
        fs::remove_file(path).map_err(at(path))?;
    }
    Ok(changed.len() + stale.len())
}

/// Returns whether a file starts with the marker of generated files.
fn is_generated(path: &Path) -> bool {
    let text = fs::read(path).unwrap_or_default();
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(first).trim_start_matches(['/', '#', ' ']).starts_with(MARKER)
}

/// Makes a temporary file, which is private to its owner, readable for all.
#[cfg(unix)]
fn readable_by_all(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_: &NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

/// Compares files with a folder, without changes.
///
/// # Errors
///
/// Returns [`Error::Drift`] if they differ. `show` gets the differences.
pub fn check(files: &[File], folder: &Path, show: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let mut different = 0;
    for file in files {
        let path = folder.join(&file.path);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if committed != file.text {
            different += 1;
            let diff = TextDiff::from_lines(committed.as_str(), file.text.as_str());
            let name = file.path.display();
            show(
                &diff
                    .unified_diff()
                    .context_radius(3)
                    .header(&format!("committed {name}"), &format!("generated {name}"))
                    .to_string(),
            );
        }
    }
    for path in stale(files, folder)? {
        different += 1;
        show(&format!("{} is no longer generated\n", path.display()));
    }
    if different > 0 { Err(Error::Drift(different)) } else { Ok(()) }
}

/// Returns the files in `src`, and the test of the examples, that are no longer generated.
fn stale(files: &[File], folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let source = folder.join("src");
    let mut found = Vec::new();
    match fs::read_dir(&source) {
        Ok(entries) => {
            for entry in entries {
                found.push(entry.map_err(at(&source))?.path());
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(at(&source)(error)),
    }
    found.sort();
    // The generated test may use types that no longer exist.
    let test = folder.join("tests/examples.rs");
    if is_generated(&test) {
        found.extend([test, folder.join("tests/examples.json")]);
    }
    let generated = |path: &PathBuf| files.iter().any(|file| folder.join(&file.path) == *path);
    found.retain(|path| path.is_file() && !generated(path));
    Ok(found)
}
