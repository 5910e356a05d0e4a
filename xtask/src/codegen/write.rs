//! Step 11, write: files are replaced only after all of them were generated, each at once.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use similar::TextDiff;

use super::File;
use super::error::Error;

fn at(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| Error::File { path: path.to_owned(), source }
}

/// Writes the files below a folder, and removes from its `src` what is generated no more.
/// Gives the number of files that changed.
pub fn write(files: &[File], folder: &Path) -> Result<usize, Error> {
    let mut changed = 0;
    for file in files {
        let path = folder.join(&file.path);
        if fs::read_to_string(&path).is_ok_and(|present| present == file.text) {
            continue;
        }
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(at(parent))?;
        let mut temporary = tempfile::NamedTempFile::new_in(parent).map_err(at(parent))?;
        temporary.write_all(file.text.as_bytes()).map_err(at(&path))?;
        temporary.persist(&path).map_err(|error| at(&path)(error.error))?;
        changed += 1;
    }
    for path in stale(files, folder)? {
        fs::remove_file(&path).map_err(at(&path))?;
        changed += 1;
    }
    Ok(changed)
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

/// Files in `src` that are not among the generated ones.
fn stale(files: &[File], folder: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let source = folder.join("src");
    let Ok(entries) = fs::read_dir(&source) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(at(&source))?.path();
        let generated = files.iter().any(|file| folder.join(&file.path) == path);
        if path.is_file() && !generated {
            found.push(path);
        }
    }
    Ok(found)
}
