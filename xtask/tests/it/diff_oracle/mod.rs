//! The report is checked against the generated code: it says that something breaks for callers if
//! and only if the new crate lacks a public item of the old one.

pub(crate) mod mutations;
mod surface;

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Map, Value};
use xtask::codegen::document::Document;
use xtask::codegen::{read, select};
use xtask::diff::change::Effect;
use xtask::diff::{self, Version, report};

use crate::diff::single_operation;
use crate::{all_operations, repository, selection, vendor};

/// A document with the public items of its crate.
struct Sample {
    name: String,
    version: Version,
    items: BTreeSet<String>,
}

impl Sample {
    /// Returns nothing if no code can be generated from the document.
    fn new(name: impl Into<String>, document: &Value) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("document.json");
        fs::write(&path, document.to_string()).unwrap();
        let version = Version::new(read::read(&path).ok()?, &all_operations()).ok()?;
        if version.generation_error().is_some() {
            return None;
        }
        Some(Self { name: name.into(), version, items: surface::surface(&path) })
    }
}

/// Compares two documents, and returns whether the new one breaks callers, or how the report
/// differs from the code.
fn breaks_callers(old: &Sample, new: &Sample) -> Result<bool, String> {
    let changes = diff::compare(&old.version, &new.version);
    let reported = changes.iter().any(|change| change.callers == Effect::Breaking);
    let lost: Vec<&String> = old.items.difference(&new.items).collect();
    if reported == lost.is_empty() {
        let (old, new, report) = (&old.name, &new.name, report::text(&changes));
        return Err(format!("from {old} to {new}:\n{report}\nlost: {lost:#?}"));
    }
    Ok(reported)
}

/// Compares all pairs of documents, in both directions.
fn compare_all(samples: &[Sample]) {
    for old in samples {
        for new in samples {
            let breaks = breaks_callers(old, new).unwrap();
            assert!(!breaks || old.name != new.name, "{} breaks itself", old.name);
        }
    }
}

fn runs() -> Value {
    read::read(&repository().join("openapi/runs.yaml")).unwrap().0
}

/// Applies a merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return target.clone_from(patch) };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let map = target.as_object_mut().unwrap();
    for (key, change) in patch {
        if change.is_null() {
            assert!(map.shift_remove(key).is_some(), "there is no `{key}` to remove");
        } else {
            merge(map.entry(key).or_insert(Value::Null), change);
        }
    }
}

#[test]
fn small_changes_are_classified_as_the_generated_code_is() {
    let (mut compared, mut skipped) = (0, Vec::new());
    for (name, [before, after]) in crate::diff::cases() {
        let sample = |schema: &Value| Sample::new(&name, &single_operation(schema.clone()));
        match (sample(&before), sample(&after)) {
            (Some(before), Some(after)) => {
                breaks_callers(&before, &after).unwrap();
                breaks_callers(&after, &before).unwrap();
                compared += 1;
            }
            _ => skipped.push(name),
        }
    }
    assert!(compared > 25, "{compared}");
    assert_eq!(skipped, Vec::<String>::new());
}

#[test]
fn earlier_versions_are_classified_as_the_generated_code_is() {
    let patches: Map<String, Value> =
        serde_yaml_ng::from_str(include_str!("../fixtures/versions.yaml")).unwrap();
    let mut samples = vec![Sample::new("runs.yaml", &runs()).unwrap()];
    for (name, patch) in patches {
        let mut document = runs();
        merge(&mut document, &patch);
        let sample = Sample::new(&name, &document);
        samples.push(sample.unwrap_or_else(|| panic!("no code from the version {name}")));
    }
    compare_all(&samples);
}

#[test]
fn documents_of_other_vendors_are_classified_as_the_generated_code_is() {
    let vendor = read::read(&vendor()).unwrap().0;
    let samples = [("runs.yaml", runs()), ("vendor.yaml", vendor)]
        .map(|(name, document)| Sample::new(name, &document).unwrap());
    compare_all(&samples);
}

/// The number of random documents. The nightly tests set the variable to more.
const CASES: u32 = 24;

#[test]
fn random_mutations_are_classified_as_the_generated_code_is() {
    let cases = std::env::var("PROPTEST_CASES").ok();
    let mut config =
        Config { failure_persistence: None, max_shrink_iters: 32, ..Config::default() };
    let mut runner = match cases {
        Some(_) => TestRunner::new(config),
        None => {
            config.cases = CASES;
            let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            TestRunner::new_with_rng(config, seed)
        }
    };
    // The operations of runs refer to most of the components, and generate faster than all do.
    let original =
        select::select_operations(Document(runs()), &selection(&["/threads/*/runs/**"])).unwrap().0;
    let old = Sample::new("runs.yaml", &original).unwrap();
    let seen = std::cell::RefCell::new([0, 0]);
    let edits = proptest::collection::vec((0..mutations::KINDS, any::<Index>()), 1..4);
    let result = runner.run(&edits, |edits| {
        let mut document = original.clone();
        for (kind, index) in &edits {
            mutations::edit(&mut document, *kind, index);
        }
        let Some(new) = Sample::new(format!("{edits:?}"), &document) else {
            return Err(TestCaseError::reject("no code"));
        };
        let breaks = breaks_callers(&old, &new).map_err(TestCaseError::fail)?;
        seen.borrow_mut()[usize::from(breaks)] += 1;
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let [compatible, breaking] = seen.into_inner();
    assert!(compatible > 3 && breaking > 3, "{compatible} compatible, {breaking} breaking");
}
