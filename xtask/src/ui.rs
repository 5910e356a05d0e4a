//! `cargo xtask ui`: builds the page of the server from its source, compares it with the files that
//! the server embeds, and tests it in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{self, Error, file, install_once, output, succeed};

/// The programs of browsers, from the first that is installed.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Builds the page and compares it with the embedded files, or with `write` replaces them. Without
/// `write`, tests the page of the server binary in Chromium, whose path can be in `CHROMIUM`. The
/// screenshots of the tests are in `target/ui`.
///
/// # Errors
///
/// Returns an error if a program fails, the embedded files differ from those of the build, or a test
/// fails.
pub fn run(root: &Path, write: bool) -> Result<String, Error> {
    let source = root.join("crates/runstep-server/ui");
    let target = programs::target_directory(root)?.join("ui");
    fs::create_dir_all(&target).map_err(file(&target))?;
    install_once(&source.join("node_modules"), &source.join("package-lock.json"), || {
        // No package needs its scripts.
        succeed(npm(&source).args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ]))
    })?;
    for script in ["types", "check"] {
        output(npm(&source).args(["run", "--silent", script]))?;
    }
    let (embedded, built) = (source.join("dist"), target.join("dist"));
    let folder = if write { &embedded } else { &built };
    let build = ["run", "--silent", "build", "--", "--logLevel", "warn", "--outDir"];
    output(npm(&source).args(build).arg(folder))?;
    if write {
        return Ok(format!("the page was built in {}", embedded.display()));
    }
    compare(&built, &embedded)?;
    let binary = programs::server_binary(root)?;
    succeed(
        Command::new("node")
            .args(["--test", "--test-reporter", "spec", "tests/run.mjs"])
            .current_dir(&source)
            .env("RUNSTEP_SERVER", binary)
            .env("CHROMIUM", browser()?)
            .env("OUTPUT", &target),
    )?;
    Ok("the embedded page is up to date, and works in a browser".to_owned())
}

fn npm(folder: &Path) -> Command {
    let mut command = Command::new("npm");
    command.arg("--prefix").arg(folder).current_dir(folder);
    command
}

/// Returns an error if two folders have different files.
fn compare(built: &Path, embedded: &Path) -> Result<(), Error> {
    let (names, others) = (file_names(built)?, file_names(embedded)?);
    let differs = |name: &String| -> Result<bool, Error> {
        let [built, embedded] = [built, embedded].map(|folder| folder.join(name));
        let new = fs::read(&built).map_err(file(&built))?;
        Ok(fs::read(&embedded).map_err(file(&embedded))? != new)
    };
    let mut is_outdated = names != others;
    for name in names.iter().filter(|name| others.contains(name)) {
        is_outdated |= differs(name)?;
    }
    if is_outdated {
        let message = "the embedded page differs from its source: run cargo xtask ui --write";
        return Err(Error::Measured(message.to_owned()));
    }
    Ok(())
}

/// Returns the names of the files in a folder, sorted.
fn file_names(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(file(folder))? {
        let entry = entry.map_err(file(folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Returns the program of a browser.
fn browser() -> Result<PathBuf, Error> {
    if let Some(path) = std::env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    let candidates =
        BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let missing = "no browser is installed: install Chromium, or set CHROMIUM to its path";
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| Error::Measured(missing.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_different_files_are_not_equal() -> Result<(), Error> {
        let here = Path::new("folder");
        let (first, second) = (temporary()?, temporary()?);
        let write = |folder: &Path, name: &str, text: &str| {
            fs::write(folder.join(name), text).map_err(file(here))
        };
        compare(first.path(), second.path())?;
        write(first.path(), "app.js", "1")?;
        assert!(compare(first.path(), second.path()).is_err());
        assert!(compare(second.path(), first.path()).is_err());
        write(second.path(), "app.js", "2")?;
        assert!(compare(first.path(), second.path()).is_err());
        write(second.path(), "app.js", "1")?;
        compare(first.path(), second.path())
    }

    fn temporary() -> Result<tempfile::TempDir, Error> {
        tempfile::tempdir().map_err(file(Path::new("folder")))
    }
}
