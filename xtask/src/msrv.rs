//! `cargo xtask msrv`: checks that all dependencies of the published crates support the minimum Rust
//! version.
//!
//! No second toolchain is necessary: each dependency declares its minimum version. Uses of newer
//! items of the standard library are found by clippy, with the lint `incompatible_msrv`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use semver::Version;
use serde::Deserialize;

use crate::programs;

/// An error of the check.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Cargo failed.
    #[error(transparent)]
    Program(#[from] programs::Error),
    /// The output of cargo is not as expected.
    #[error("the output of cargo metadata is not as expected: {0}")]
    Metadata(#[from] serde_json::Error),
    /// A package to check is not a member of the workspace, or has no minimum version.
    #[error("{0} is not a member of the workspace, or has no rust-version")]
    Missing(String),
    /// Dependencies need a newer Rust.
    #[error(
        "these dependencies of {name} need a newer Rust than {minimum}: {packages}\n  help: require \
         an older version of them, or raise rust-version in its Cargo.toml"
    )]
    TooNew {
        /// The published crate.
        name: String,
        /// The minimum version of the crate.
        minimum: Version,
        /// The dependencies, with their minimum versions.
        packages: String,
    },
}

/// The output of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    rust_version: Option<String>,
    publish: Option<Vec<String>>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// Null for a normal dependency.
    kind: Option<String>,
}

/// Checks the dependencies on all platforms, with all features.
///
/// # Errors
///
/// Returns an error if cargo fails, or if a dependency needs a newer Rust.
pub fn run(root: &Path) -> Result<String, Error> {
    let arguments = ["metadata", "--locked", "--all-features", "--format-version", "1"];
    check(&programs::cargo(root, &arguments)?)
}

/// Checks the output of `cargo metadata`.
///
/// # Errors
///
/// Returns an error if the output is not as expected, or if a dependency needs a newer Rust.
pub fn check(metadata: &str) -> Result<String, Error> {
    let metadata: Metadata = serde_json::from_str(metadata)?;
    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    // Members that are not published, such as xtask, may need a newer Rust.
    let is_published = |package: &&Package| {
        package.source.is_none() && package.publish.as_ref().is_none_or(|to| !to.is_empty())
    };
    let roots: Vec<&Package> = metadata.packages.iter().filter(is_published).collect();
    let edges: BTreeMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let mut lines = Vec::new();
    for root in roots {
        let Some(minimum) = rust_version(root) else {
            return Err(Error::Missing(root.name.clone()));
        };
        let reached = dependencies(&root.id, &edges);
        let too_new: Vec<String> = reached
            .iter()
            .filter_map(|id| packages.get(id))
            .filter_map(|package| Some((package, rust_version(package)?)))
            .filter(|(_, needed)| *needed > minimum)
            .map(|(Package { name, version, .. }, needed)| format!("{name} {version} ({needed})"))
            .collect();
        if !too_new.is_empty() {
            let (name, packages) = (root.name.clone(), too_new.join(", "));
            return Err(Error::TooNew { name, minimum, packages });
        }
        lines.push(format!("{}: {} packages support Rust {minimum}", root.name, reached.len()));
    }
    if lines.is_empty() {
        return Err(Error::Missing("a package that is published".to_owned()));
    }
    Ok(lines.join("\n"))
}

/// Returns a package and its dependencies, direct and indirect.
fn dependencies<'a>(root: &'a str, edges: &BTreeMap<&'a str, &'a Node>) -> BTreeSet<&'a str> {
    let mut open = vec![root];
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        // Users of a crate do not build its development dependencies.
        let is_built = |dependency: &&Dependency| {
            dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
        };
        let dependencies = edges.get(id).map_or(&[][..], |node| &node.deps);
        open.extend(dependencies.iter().filter(is_built).map(|it| it.pkg.as_str()));
    }
    reached
}

/// Returns the minimum version of a package. It may lack the patch number.
fn rust_version(package: &Package) -> Option<Version> {
    let text = package.rust_version.as_deref()?;
    let missing = 2usize.saturating_sub(text.matches('.').count());
    Version::parse(&format!("{text}{}", ".0".repeat(missing))).ok()
}
