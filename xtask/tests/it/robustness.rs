//! Every document, valid or not, results in a crate or an error, and never in a panic.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};
use xtask::codegen::document::Document;
use xtask::codegen::read;
use xtask::diff::{self, Version};

use crate::{all_operations, json_content, reference, vendor, xtask};

fn vendor_document() -> Value {
    read::read(&vendor()).unwrap().0
}

/// Collects the JSON pointers of all values inside a value.
pub(crate) fn collect_pointers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect_pointers(inner, &format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect_pointers(inner, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Returns the document with another value at a pointer, or without the value.
fn mutated(document: &Value, pointer: &str, replacement: Option<&Value>) -> Value {
    let mut document = document.clone();
    match replacement {
        Some(value) => {
            if let Some(target) = document.pointer_mut(pointer) {
                target.clone_from(value);
            }
        }
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
            match document.pointer_mut(parent) {
                Some(Value::Object(map)) => {
                    map.shift_remove(&key.replace("~1", "/").replace("~0", "~"));
                }
                Some(Value::Array(items)) => drop(items.remove(key.parse().unwrap())),
                _ => {}
            }
        }
    }
    document
}

/// Generates code from a document, and compares it with another. Returns the error, if any.
fn run(document: &Value, other: &Version) -> Option<String> {
    let all = all_operations();
    let read = match read::read_text(Path::new("mutated.json"), &document.to_string()) {
        Ok(document) => document,
        Err(error) => return Some(error.to_string()),
    };
    match Version::new(read, &all) {
        Ok(version) => {
            diff::compare(other, &version);
            version.generation_error().map(ToString::to_string)
        }
        Err(error) => Some(error.to_string()),
    }
}

/// The mutations of each value.
fn replacements() -> [Option<Value>; 9] {
    [
        None,
        Some(Value::Null),
        Some(json!(7)),
        Some(json!(true)),
        Some(json!("text with 'single' & \"double\" quotes")),
        Some(json!([])),
        Some(json!({})),
        Some(json!([reference("AgentRun")])),
        Some(reference("Filter")),
    ]
}

/// Tries every `step`th mutation of the document.
fn try_mutations(step: usize) {
    let document = vendor_document();
    let other = Version::new(Document(document.clone()), &all_operations()).unwrap();
    let (mut pointers, replacements) = (Vec::new(), replacements());
    collect_pointers(&document, "", &mut pointers);
    let cases: Vec<(&String, &Option<Value>)> = pointers
        .iter()
        .flat_map(|pointer| replacements.iter().map(move |replacement| (pointer, replacement)))
        .collect();
    let cases: Vec<_> = cases.into_iter().step_by(step).collect();
    assert!(cases.len() > 300, "{} cases are too few", cases.len());
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some((pointer, replacement)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let changed = mutated(&document, pointer, replacement.as_ref());
            let failure = match panic::catch_unwind(AssertUnwindSafe(|| run(&changed, &other))) {
                Err(_) => "a panic".to_owned(),
                // Every error has a location: a JSON pointer, or a line of the file.
                Ok(Some(error)) if !error.starts_with("at ") && !error.contains(".json:") => error,
                Ok(_) => continue,
            };
            let replacement = replacement.as_ref().map_or("nothing".to_owned(), Value::to_string);
            failures.lock().unwrap().push(format!("{replacement} at {pointer}: {failure}"));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    let text = failures.join("\n");
    assert!(failures.is_empty(), "{} of {}:\n{text}", failures.len(), cases.len());
}

#[test]
fn sampled_mutations_do_not_panic() {
    // 16 and the number of replacements are coprime, so each replacement is tried at every 16th value.
    try_mutations(16);
}

#[test]
#[ignore = "takes minutes: run it with `--ignored` after a change of a stage"]
fn mutations_do_not_panic() {
    try_mutations(1);
}

#[test]
fn deeply_nested_schemas_do_not_overflow_the_stack() {
    let mut document = vendor_document();
    for number in 0..3000 {
        let next = reference(&format!("Link{}", number + 1));
        document["components"]["schemas"][format!("Link{number}")] =
            json!({ "type": "object", "properties": { "next": next } });
    }
    document["components"]["schemas"]["Link3000"] = json!({ "type": "string" });
    document["components"]["schemas"]["AgentRun"]["properties"]["chain"] = reference("Link0");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.json");
    fs::write(&path, document.to_string()).unwrap();
    for arguments in [
        vec![
            "codegen",
            "--spec",
            path.to_str().unwrap(),
            "--out",
            folder.path().join("out").to_str().unwrap(),
        ],
        vec!["diff", path.to_str().unwrap(), path.to_str().unwrap()],
    ] {
        let output = xtask(&arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{}: {errors}", arguments[0]);
    }
}

#[test]
fn recursive_schemas_terminate() {
    let cases: Map<String, Value> =
        serde_yaml_ng::from_str(include_str!("fixtures/recursion.yaml")).unwrap();
    for (name, mut schemas) in cases {
        let error = schemas.as_object_mut().unwrap().shift_remove("error");
        let content = json_content(reference("A"));
        let operation =
            json!({ "responses": { "200": { "description": "", "content": content } } });
        let document = json!({
            "openapi": "3.0.0", "info": { "title": "", "version": "" },
            "paths": { "/a": { "get": operation } },
            "components": { "schemas": schemas },
        });
        let other =
            Document(json!({ "paths": document["paths"], "components": document["components"] }));
        let other = Version::new(other, &all_operations()).unwrap();
        match (run(&document, &other), error) {
            (Some(actual), Some(error)) => {
                assert!(actual.contains(error.as_str().unwrap()), "{name}: {actual}");
            }
            (actual, error) => assert_eq!((actual, error), (None, None), "{name}"),
        }
    }
}
