//! The files that contain the version.

use std::path::{Path, PathBuf};

use semver::Version;

use super::error::Error;

/// The manifest of the workspace, which all published crates inherit the version from.
pub const MANIFEST: &str = "Cargo.toml";
/// The changelog.
pub const CHANGELOG: &str = "CHANGELOG.md";

/// The heading of what the next release contains.
const UNRELEASED: &str = "## [Unreleased]";
/// The heading of what breaks callers.
const BREAKING: &str = "### Breaking";

fn form(path: &str, reason: impl Into<String>) -> Error {
    Error::Form { path: PathBuf::from(path), reason: reason.into() }
}

/// Returns the version of the workspace.
///
/// # Errors
///
/// Returns an error if the manifest has none.
pub fn version(manifest: &str) -> Result<Version, Error> {
    let line = section(manifest, "[workspace.package]")
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    let text = line.ok_or_else(|| form(MANIFEST, "no version in [workspace.package]"))?;
    Version::parse(text)
        .map_err(|source| Error::InvalidVersion { version: text.to_owned(), source })
}

/// Returns the manifest with another version of the workspace, and of its crates as dependencies.
///
/// # Errors
///
/// Returns an error if the manifest does not have the version, or no crates as dependencies.
pub fn bumped(manifest: &str, from: &Version, to: &Version) -> Result<String, Error> {
    let (own, new_own) = (format!("version = \"{from}\""), format!("version = \"{to}\""));
    let mut current = "";
    let (mut packages, mut dependencies) = (0, 0);
    let mut lines = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            current = line;
        }
        let is_own = current == "[workspace.package]" && line == own;
        let is_dependency = current == "[workspace.dependencies]"
            && line.contains("path = \"crates/")
            && line.contains(&own);
        packages += usize::from(is_own);
        dependencies += usize::from(is_dependency);
        let changed = is_own || is_dependency;
        lines.push(if changed { line.replace(&own, &new_own) } else { line.to_owned() });
    }
    if packages != 1 || dependencies == 0 {
        let reason = format!("no `{own}` in [workspace.package], or in the crates it depends on");
        return Err(form(MANIFEST, reason));
    }
    Ok(lines.join("\n") + "\n")
}

/// Moves the unreleased changes to a section of their own, with a new empty section above it.
///
/// # Errors
///
/// Returns an error if there are no unreleased changes, if they break callers and the version may
/// not, or if the version has a section already.
pub fn released(
    changelog: &str,
    present: &Version,
    version: &Version,
    date: &str,
) -> Result<String, Error> {
    if changelog.lines().any(|line| line.starts_with(&format!("## [{version}]"))) {
        return Err(form(CHANGELOG, format!("{version} has a section already")));
    }
    let unreleased = |reason| form(CHANGELOG, format!("{reason} under `{UNRELEASED}`"));
    let (before, after) =
        changelog.split_once(UNRELEASED).ok_or_else(|| unreleased("nothing is listed"))?;
    let changes = after.split("\n## ").next().unwrap_or_default();
    if !may_break(present, version) && changes.lines().any(|line| line == BREAKING) {
        let reason =
            format!("`{BREAKING}` is listed, which {version} after {present} may not have");
        return Err(form(CHANGELOG, reason));
    }
    if !changes.lines().any(|line| line.starts_with("- ")) {
        return Err(unreleased("no change is listed"));
    }
    Ok(format!("{before}{UNRELEASED}\n\n## [{version}] - {date}{after}"))
}

/// Returns whether a version may break callers of the present one, as cargo interprets versions. The
/// first release has the present version.
fn may_break(present: &Version, version: &Version) -> bool {
    present == version
        || version.major > present.major
        || (version.major == 0 && version.minor > present.minor)
}

/// Returns the lines of a section of a TOML file.
fn section<'a>(text: &'a str, heading: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().skip_while(move |line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with('['))
}

/// Returns the manifests of the packages outside of the workspace. Their lock files contain the
/// version, too.
pub fn other_manifests(root: &Path) -> Vec<PathBuf> {
    ["benches", "fuzz"].map(|folder| root.join(folder).join(MANIFEST)).to_vec()
}
