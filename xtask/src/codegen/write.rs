//! Step 12, write: files are replaced only after all of them were generated and written beside
//! what is there, and only files that are ours.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use similar::TextDiff;
use tempfile::NamedTempFile;

use super::File;
use super::error::Error;

/// With what a generated file begins, after the mark of a comment.
const MARK: &str = "@generated";

fn at(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| Error::File { path: path.to_owned(), source }
}

/// Writes the files below a folder, and removes what is generated no more.
/// Gives the number of files that changed.
///
/// # Errors
///
/// [`Error::NotOurs`] when a file that somebody wrote is in the way; nothing was changed then, nor
/// when a file cannot be written.
pub fn write(files: &[File], folder: &Path) -> Result<usize, Error> {
    let stale = stale(files, folder)?;
    let changed: Vec<(PathBuf, &File)> = files
        .iter()
        .map(|file| (folder.join(&file.path), file))
        .filter(|(path, file)| fs::read(path).ok().as_deref() != Some(file.text.as_bytes()))
        .collect();
    let whole = is_ours(&folder.join("src/lib.rs")) || is_ours(&folder.join("Cargo.toml"));
    for path in changed.iter().map(|(path, _)| path).chain(&stale) {
        // JSON has no comments, and so no mark: it belongs to the folder it is in.
        let ours =
            if path.extension().is_some_and(|kind| kind == "json") { whole } else { is_ours(path) };
        if !ours && path.symlink_metadata().is_ok() {
            return Err(Error::NotOurs(path.clone()));
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

/// Whether a file begins with the mark of what is generated.
fn is_ours(path: &Path) -> bool {
    let text = fs::read(path).unwrap_or_default();
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(first).trim_start_matches(['/', '#', ' ']).starts_with(MARK)
}

/// A temporary file is for its owner only, and what is committed for everyone.
#[cfg(unix)]
fn readable_by_all(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_: &NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

/// Compares the files with what is below a folder, and changes nothing.
///
/// # Errors
///
/// [`Error::Drift`] when they differ; `show` got the differences by then.
pub fn check(files: &[File], folder: &Path, show: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let mut different = 0;
    for file in files {
        let path = folder.join(&file.path);
        let present = fs::read_to_string(&path).unwrap_or_default();
        if present != file.text {
            different += 1;
            let diff = TextDiff::from_lines(present.as_str(), file.text.as_str());
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
        show(&format!("{} is not generated\n", path.display()));
    }
    if different > 0 { Err(Error::Drift(different)) } else { Ok(()) }
}

/// Files in `src`, and examples, that are not among the generated ones.
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
    // They use types that are there no more, or are the data of such a test.
    let test = folder.join("tests/examples.rs");
    if is_ours(&test) {
        found.extend([test, folder.join("tests/examples.json")]);
    }
    let generated = |path: &PathBuf| files.iter().any(|file| folder.join(&file.path) == *path);
    found.retain(|path| path.is_file() && !generated(path));
    Ok(found)
}
