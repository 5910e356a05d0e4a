//! `cargo xtask release`: everything of a release that a person need not do.

pub mod error;
pub mod files;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use semver::Version;
use similar::TextDiff;

use crate::programs::{self, file};
use error::Error;

/// The scripts that must pass.
pub const GATES: [&str; 2] = [".ci/run", ".ci/nightly"];

/// What to release.
#[derive(Clone, Debug)]
pub struct Options {
    /// The new version.
    pub version: String,
    /// The date of the release, as YYYY-MM-DD.
    pub date: String,
    /// Whether to change files, commit and tag. Otherwise the changes are only shown.
    pub execute: bool,
    /// The scripts that must pass, relative to the root.
    pub gates: Vec<String>,
}

/// Checks the repository, runs the gates, and shows or makes the changes. Returns what is left to do.
///
/// # Errors
///
/// Returns an error if the version is not valid, the repository is not clean or is on another branch
/// than `main`, the tag exists, the changelog lists no changes, a gate fails, or a file cannot be
/// written. Nothing is changed then, unless the commit itself fails.
pub fn run(root: &Path, options: &Options) -> Result<String, Error> {
    let version = parse(&options.version)?;
    let tag = format!("v{version}");
    let read = |name: &str| {
        let path = root.join(name);
        fs::read_to_string(&path).map_err(file(&path)).map_err(Error::from)
    };
    let (manifest, changelog) = (read(files::MANIFEST)?, read(files::CHANGELOG)?);
    let present = files::version(&manifest)?;
    if version < present {
        return Err(Error::OlderVersion { version, present });
    }
    check_repository(root, &tag)?;
    let changed = [
        (files::MANIFEST, manifest.clone(), files::bumped(&manifest, &present, &version)?),
        (
            files::CHANGELOG,
            changelog.clone(),
            files::released(&changelog, &present, &version, &options.date)?,
        ),
    ];
    for gate in &options.gates {
        println!("== {gate}");
        programs::succeed(Command::new("bash").current_dir(root).arg(gate)).map_err(|error| {
            match error {
                programs::Error::Failed(_) => Error::Gate(gate.clone()),
                error => error.into(),
            }
        })?;
    }
    if !options.execute {
        return Ok(dry_run(&changed, &tag, &options.gates));
    }
    for (name, _, text) in &changed {
        let path = root.join(name);
        fs::write(&path, text).map_err(file(&path))?;
    }
    update_lock_files(root)?;
    git(root, &["commit", "--quiet", "--all", "--message", &format!("release: {version}")])?;
    git(root, &["tag", "--annotate", &tag, "--message", &format!("runstep {version}")])?;
    Ok(format!("committed and tagged {tag}\n\n{}", left_to_do(&tag)))
}

fn parse(version: &str) -> Result<Version, Error> {
    Version::parse(version)
        .map_err(|source| Error::InvalidVersion { version: version.to_owned(), source })
}

fn git(root: &Path, arguments: &[&str]) -> Result<String, Error> {
    let output = programs::output(Command::new("git").current_dir(root).args(arguments))?;
    Ok(output.trim().to_owned())
}

fn check_repository(root: &Path, tag: &str) -> Result<(), Error> {
    let branch = git(root, &["rev-parse", "--abbrev-ref", "HEAD"])?;
    if branch != "main" {
        let reason = format!("the branch is `{branch}`");
        return Err(Error::Repository { reason, help: "release from `main`" });
    }
    let status = git(root, &["status", "--porcelain"])?;
    if !status.is_empty() {
        let reason = format!("the work tree has changes:\n{status}");
        return Err(Error::Repository { reason, help: "commit or remove them" });
    }
    if !git(root, &["tag", "--list", tag])?.is_empty() {
        let reason = format!("the tag {tag} exists");
        return Err(Error::Repository { reason, help: "choose another version" });
    }
    Ok(())
}

/// Writes the new version into the lock files.
fn update_lock_files(root: &Path) -> Result<(), Error> {
    programs::cargo(root, &["update", "--workspace", "--offline", "--quiet"])?;
    for manifest in files::other_manifests(root).iter().filter(|manifest| manifest.is_file()) {
        let manifest = manifest.to_string_lossy();
        let update = ["update", "--workspace", "--offline", "--quiet", "--manifest-path"];
        programs::cargo(root, &[&update[..], &[&manifest]].concat())?;
    }
    Ok(())
}

/// Describes what `--execute` would do.
fn dry_run(changed: &[(&str, String, String)], tag: &str, gates: &[String]) -> String {
    let mut text = String::new();
    for (name, before, after) in changed {
        let diff = TextDiff::from_lines(before, after);
        let _ = write!(text, "{}", diff.unified_diff().header(name, name));
    }
    let passed = if gates.is_empty() { "no gate was run" } else { "all gates passed" };
    let _ = write!(
        text,
        "\ndry run: {passed}; nothing was changed. With --execute, the files are changed, committed \
         and tagged {tag}. Then:\n\n{}",
        left_to_do(tag)
    );
    text
}

/// Returns the steps of a person.
fn left_to_do(tag: &str) -> String {
    format!(
        "1. Review the commit: git show {tag}\n\
         2. Push it: git push --atomic origin main {tag}\n\
         3. Publish the crates, in this order:\n\
         \x20    cargo publish -p runstep-api\n\
         \x20    cargo publish -p runstep-server\n\
         \x20    cargo publish -p runstep\n\
         \x20    cargo publish -p runstep-cli\n\
         4. Publish the draft release, which has the server's binaries after its workflow ended"
    )
}
