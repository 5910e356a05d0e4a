//! Whatever a document looks like, it gives a crate or an error, and never a panic.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use xtask::codegen::document::Document;
use xtask::codegen::{self, Selection, read};
use xtask::diff;

fn vendor() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendor.yaml");
    read::read(&path).unwrap().0
}

/// The pointers of all values within a value.
fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(inner, &format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                places(inner, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The same document with something else at a place; `None` for nothing at all.
fn mutated(document: &Value, pointer: &str, put: Option<&Value>) -> Value {
    let mut document = document.clone();
    match put {
        Some(value) => {
            if let Some(place) = document.pointer_mut(pointer) {
                place.clone_from(value);
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

/// Builds a document, and compares it with another; gives the error, if there is one.
fn run(document: &Value, other: &Document) -> Option<String> {
    let all = Selection { patterns: vec!["/**".to_owned()] };
    let read = match read::read_text(Path::new("mutated.json"), &document.to_string()) {
        Ok(document) => document,
        Err(error) => return Some(error.to_string()),
    };
    if let Ok(comparable) = diff::comparable(read.clone(), &all) {
        diff::compare(other, &comparable);
    }
    codegen::build_document(read, &all).err().map(|error| error.to_string())
}

/// What is put in a place, in turn.
fn puts() -> [Option<Value>; 9] {
    [
        None,
        Some(Value::Null),
        Some(json!(7)),
        Some(json!(true)),
        Some(json!("text with 'marks' & \"more\"")),
        Some(json!([])),
        Some(json!({})),
        Some(json!([{ "$ref": "#/components/schemas/AgentRun" }])),
        Some(json!({ "$ref": "#/components/schemas/Filter" })),
    ]
}

/// Changes every place in the ways whose number has the remainder.
fn change_everywhere(modulo: usize) {
    let document = vendor();
    let all = Selection { patterns: vec!["/**".to_owned()] };
    let other = diff::comparable(Document(document.clone()), &all).unwrap();
    let (mut found, puts) = (Vec::new(), puts());
    places(&document, "", &mut found);
    let cases: Vec<(&String, &Option<Value>)> =
        found.iter().flat_map(|pointer| puts.iter().map(move |put| (pointer, put))).collect();
    let cases: Vec<_> = cases.into_iter().step_by(modulo).collect();
    assert!(cases.len() > 300, "{} cases are too few", cases.len());
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some((pointer, put)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let changed = mutated(&document, pointer, put.as_ref());
            let said = match panic::catch_unwind(AssertUnwindSafe(|| run(&changed, &other))) {
                Err(_) => "a panic".to_owned(),
                // Every error has a place, be it that of the syntax.
                Ok(Some(error)) if !error.starts_with("at ") && !error.contains(".json:") => error,
                Ok(_) => continue,
            };
            let put = put.as_ref().map_or("nothing".to_owned(), Value::to_string);
            wrong.lock().unwrap().push(format!("{put} at {pointer}: {said}"));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn no_change_of_a_document_makes_it_panic() {
    // Sixteen has no divisor in common with the number of ways: each is tried in every sixteenth place.
    change_everywhere(16);
}

#[test]
#[ignore = "takes minutes: run it after a change of the steps, with `--ignored`"]
fn no_change_at_all_makes_it_panic() {
    change_everywhere(1);
}

/// A chain of schemas, each within the one before, as no one would write it.
#[test]
fn a_long_way_is_no_stack_overflow() {
    let mut document = vendor();
    for number in 0..3000 {
        let next = json!({ "$ref": format!("#/components/schemas/Link{}", number + 1) });
        document["components"]["schemas"][format!("Link{number}")] =
            json!({ "type": "object", "properties": { "next": next } });
    }
    document["components"]["schemas"]["Link3000"] = json!({ "type": "string" });
    document["components"]["schemas"]["AgentRun"]["properties"]["chain"] =
        json!({ "$ref": "#/components/schemas/Link0" });
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
        let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(&arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{}: {errors}", arguments[0]);
    }
}

/// Documents of a few schemas that lead to themselves, in the ways in which they can.
#[test]
fn what_leads_to_itself_ends() {
    let cases = [
        (
            "bare",
            json!({ "A": { "$ref": "#/components/schemas/A" } }),
            "the reference `#/components/schemas/A` leads in a circle",
        ),
        (
            "two",
            json!({ "A": { "$ref": "#/components/schemas/B" }, "B": { "$ref": "#/components/schemas/A" } }),
            "leads in a circle",
        ),
        (
            "composed",
            json!({ "A": { "allOf": [{ "$ref": "#/components/schemas/B" }], "description": "x" }, "B": { "$ref": "#/components/schemas/A" } }),
            "leads in a circle",
        ),
        (
            "choice",
            json!({ "A": { "oneOf": [{ "$ref": "#/components/schemas/B" }] }, "B": { "oneOf": [{ "$ref": "#/components/schemas/A" }] } }),
            "a choice of nothing",
        ),
        (
            "list",
            json!({ "A": { "type": "array", "items": { "$ref": "#/components/schemas/A" } } }),
            "",
        ),
        (
            "lists",
            json!({ "A": { "type": "array", "items": { "$ref": "#/components/schemas/B" } }, "B": { "type": "object", "additionalProperties": { "$ref": "#/components/schemas/A" } } }),
            "",
        ),
        (
            "inner",
            json!({ "A": { "type": "array", "items": { "type": "object", "properties": { "a": { "$ref": "#/components/schemas/A" } } } } }),
            "",
        ),
        (
            "choices",
            json!({
                "A": { "anyOf": [{ "$ref": "#/components/schemas/B" }, { "$ref": "#/components/schemas/C" }, { "$ref": "#/components/schemas/A" }] },
                "B": { "type": "object", "properties": { "type": { "enum": ["b"] }, "a": { "oneOf": [{ "$ref": "#/components/schemas/B" }, { "$ref": "#/components/schemas/C" }] } } },
                "C": { "type": "object", "properties": { "type": { "enum": ["c"] }, "a": { "$ref": "#/components/schemas/A" } } },
            }),
            "",
        ),
    ];
    for (name, schemas, error) in cases {
        let reply = json!({ "schema": { "$ref": "#/components/schemas/A" } });
        let operation = json!({ "responses": { "200": { "description": "", "content": { "application/json": reply } } } });
        let document = json!({
            "openapi": "3.0.0", "info": { "title": "", "version": "" },
            "paths": { "/a": { "get": operation } },
            "components": { "schemas": schemas },
        });
        let other =
            Document(json!({ "paths": document["paths"], "components": document["components"] }));
        match run(&document, &other) {
            Some(said) => assert!(!error.is_empty() && said.contains(error), "{name}: {said}"),
            None => assert!(error.is_empty(), "{name}: nothing was said"),
        }
    }
}
