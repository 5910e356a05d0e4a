//! What changed between two documents, as people read it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use xtask::codegen::document::Document;
use xtask::codegen::{Selection, lower};
use xtask::diff::{self, change::Effect, report};

/// A document with one operation, whose request and reply are the schemas given.
fn document(request: Value, reply: Value) -> Document {
    let all = Selection { patterns: vec!["/**".to_owned()] };
    let content = |schema: Value| json!({ "application/json": { "schema": schema } });
    let document = Document(json!({
        "openapi": "3.1.0",
        "paths": { "/runs": { "post": {
            "requestBody": { "required": true, "content": content(request) },
            "responses": { "200": { "content": content(reply) } },
        } } },
        "components": { "schemas": {} },
    }));
    diff::comparable(document, &all).unwrap()
}

/// The report for a change of a property, in a request and in a reply.
fn changed(from: Value, to: Value) -> String {
    let object = |property: &Value| json!({ "type": "object", "properties": { "x": property } });
    let (old, new) = (document(object(&from), object(&from)), document(object(&to), object(&to)));
    report::text(&diff::compare(&old, &new))
}

#[test]
fn changes_of_a_property_are_told_for_callers_and_for_the_wire() {
    let string = json!({ "type": "string" });
    let cases = [
        ("type", string.clone(), json!({ "type": "integer" })),
        ("wider number", json!({ "type": "integer" }), json!({ "type": "number" })),
        ("null", string.clone(), json!({ "type": ["string", "null"] })),
        ("no null", json!({ "type": ["string", "null"] }), string.clone()),
        (
            "values",
            json!({ "enum": ["a", "b"] , "type": "string" }),
            json!({ "enum": ["b", "c"], "type": "string" }),
        ),
        ("listed", string.clone(), json!({ "type": "string", "enum": ["a"] })),
        (
            "listed, open",
            string.clone(),
            json!({ "anyOf": [{ "type": "string" }, { "type": "string", "enum": ["a"] }] }),
        ),
        ("unlisted", json!({ "type": "string", "enum": ["a"] }), string.clone()),
        (
            "tighter",
            json!({ "type": "string", "maxLength": 9 }),
            json!({ "type": "string", "maxLength": 8 }),
        ),
        (
            "other pattern",
            json!({ "type": "string", "pattern": "^a$" }),
            json!({ "type": "string", "pattern": "^b$" }),
        ),
        (
            "larger multiple",
            json!({ "type": "number", "multipleOf": 2 }),
            json!({ "type": "number", "multipleOf": 4 }),
        ),
        (
            "smaller multiple",
            json!({ "type": "number", "multipleOf": 4 }),
            json!({ "type": "number", "multipleOf": 3 }),
        ),
        ("counts now", json!({ "type": "integer" }), json!({ "type": "integer", "minimum": 0 })),
        (
            "counts no more",
            json!({ "type": "integer", "minimum": 1 }),
            json!({ "type": "integer", "minimum": -1 }),
        ),
        (
            "counts still",
            json!({ "type": "integer", "minimum": 0 }),
            json!({ "type": "integer", "minimum": 1 }),
        ),
        ("looser", json!({ "type": "number", "minimum": 1 }), json!({ "type": "number" })),
        (
            "alternative",
            string.clone(),
            json!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": {} }] }),
        ),
        (
            "items",
            json!({ "type": "array", "items": string }),
            json!({ "type": "array", "items": { "type": "boolean" } }),
        ),
    ];
    let told: Vec<String> = cases
        .into_iter()
        .map(|(name, from, to)| format!("# {name}\n{}\n", changed(from, to)))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn properties_come_go_and_become_required() {
    let old =
        json!({ "type": "object", "required": ["a"], "properties": { "a": {}, "b": {}, "c": {} } });
    let new = json!({ "type": "object", "required": ["b", "e"], "properties": { "a": {}, "b": {}, "d": {}, "e": {} } });
    let changes = diff::compare(&document(old.clone(), old), &document(new.clone(), new));
    insta::assert_snapshot!(report::text(&changes));
    insta::assert_snapshot!(report::markdown(&changes));
    assert_eq!(diff::exit_status(&changes), 2);
}

#[test]
fn the_same_said_in_another_way_is_no_change() {
    let same = [
        (
            json!({ "type": ["string", "null"] }),
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
        ),
        (json!({ "const": "a" , "type": "string" }), json!({ "type": "string", "enum": ["a"] })),
        (
            json!({ "type": "number", "maximum": 2 }),
            json!({ "type": "number", "maximum": 2.0, "description": "New words" }),
        ),
        (
            json!({ "oneOf": [{ "type": "string" }, { "type": "integer" }] }),
            json!({ "type": ["integer", "string"] }),
        ),
        (
            json!({ "type": "object", "properties": { "a": {} } }),
            json!({ "allOf": [{ "type": "object", "properties": { "a": {} } }] }),
        ),
    ];
    for (one, other) in same {
        assert_eq!(
            changed(one.clone(), other.clone()),
            "0 breaking, 0 compatible",
            "{one} {other}"
        );
        assert_eq!(
            changed(other.clone(), one.clone()),
            "0 breaking, 0 compatible",
            "{other} {one}"
        );
    }
}

#[test]
fn operations_and_parameters_are_matched_by_path_and_name() {
    let all = Selection { patterns: vec!["/**".to_owned()] };
    let of = |paths: Value| {
        diff::comparable(Document(json!({ "openapi": "3.0.0", "paths": paths })), &all).unwrap()
    };
    let reply = json!({ "200": { "description": "" } });
    let parameter = |name: &str, required: bool| json!({ "name": name, "in": "query", "required": required, "schema": { "type": "string" } });
    let old = of(json!({
        "/runs/{id}": { "get": { "responses": reply, "parameters": [parameter("a", false), parameter("b", false)] } },
        "/old": { "get": { "responses": reply } },
    }));
    let new = of(json!({
        "/runs/{run_id}": { "get": { "responses": reply, "parameters": [parameter("b", true), parameter("c", false)] } },
        "/new": { "get": { "responses": reply } },
    }));
    insta::assert_snapshot!(report::text(&diff::compare(&old, &new)));
}

#[test]
fn unions_are_matched_by_their_tags() {
    let variant = |tag: &str, property: &str| json!({ "type": "object", "properties": { "type": { "const": tag }, property: { "type": "string" } } });
    let old = json!({ "oneOf": [variant("a", "x"), variant("b", "x")] });
    let new = json!({ "oneOf": [variant("c", "x"), variant("b", "y")] });
    insta::assert_snapshot!(report::text(&diff::compare(
        &document(old.clone(), old),
        &document(new.clone(), new)
    )));
    let one = variant("a", "x");
    let choice_of_one = json!({ "oneOf": [variant("a", "x")] });
    assert!(
        diff::compare(&document(one.clone(), one), &document(choice_of_one.clone(), choice_of_one))
            .is_empty()
    );
}

/// Operations that all send and read the same schemas, the inner one within the outer one.
fn sharing(operations: usize, inner: Value) -> Document {
    let all = Selection { patterns: vec!["/**".to_owned()] };
    let content =
        json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Outer" } } });
    let mut paths = json!({});
    for number in 0..operations {
        paths[format!("/{number}")] =
            json!({ "post": { "responses": { "200": { "content": content } } } });
    }
    let document = Document(
        json!({ "openapi": "3.1.0", "paths": paths, "components": { "schemas": {
        "Outer": { "type": "object", "properties": {
            "one": { "$ref": "#/components/schemas/Inner" }, "all": { "type": "array", "items": { "$ref": "#/components/schemas/Inner" } } } },
        "Inner": { "type": "object", "properties": { "x": inner, "self": { "$ref": "#/components/schemas/Inner" } } },
    } } }),
    );
    diff::comparable(document, &all).unwrap()
}

#[test]
fn a_change_of_what_operations_share_names_them() {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let told = |operations: usize| {
        diff::compare(&sharing(operations, text.clone()), &sharing(operations, number.clone()))
    };
    assert_eq!(told(1)[0].also_in(), "");
    assert_eq!(told(2)[0].also_in(), "also in POST /1");
    let changes = told(5);
    insta::assert_snapshot!(format!("{}\n\n{}", report::text(&changes), report::markdown(&changes)), @"
    POST /0
      reply 200 .one .x: type changed from string to integer  [callers: breaking, wire: breaking] (also in POST /1, POST /2 and 2 more)
    1 breaking, 0 compatible

    ### Breaking

    - `POST /0, reply 200 .one .x`: type changed from string to integer (callers and wire); also in POST /1, POST /2 and 2 more
    ");
    assert_eq!(changes, told(5));
}

/// A name, and those of its events.
type Events<'a> = (&'a str, &'a [&'a str]);

/// Events with data of an object, as many as there are names.
fn streaming(unions: &[Events<'_>]) -> Document {
    let all = Selection { patterns: vec!["/**".to_owned()] };
    let mut schemas = json!({ "Run": { "type": "object" } });
    for (name, events) in unions {
        let event = |event: &&str| {
            json!({ "type": "object", "properties": {
            "event": { "const": event }, "data": { "$ref": "#/components/schemas/Run" } } })
        };
        schemas[*name] = json!({ "oneOf": events.iter().map(event).collect::<Vec<_>>() });
    }
    let reply = json!({ "schema": { "$ref": "#/components/schemas/Run" } });
    let document = Document(json!({
        "openapi": "3.1.0",
        "paths": { "/runs": { "get": { "responses": { "200": { "content": { "application/json": reply } } } } } },
        "components": { "schemas": schemas },
    }));
    diff::comparable(document, &all).unwrap()
}

#[test]
fn events_come_go_and_the_most_of_them_are_compared() {
    let few: Events<'_> = ("A", &["x"]);
    let many: Events<'_> = ("B", &["a", "b"]);
    let more: Events<'_> = ("C", &["a", "b", "c"]);
    let told = |old: &[Events<'_>], new: &[Events<'_>]| {
        report::text(&diff::compare(&streaming(old), &streaming(new)))
    };
    insta::assert_snapshot!(told(&[], &[many]), @"
    stream events
      events added  [callers: compatible, wire: compatible]
    0 breaking, 1 compatible
    ");
    insta::assert_snapshot!(told(&[many], &[]), @"
    stream events
      events removed  [callers: breaking, wire: breaking]
    1 breaking, 0 compatible
    ");
    insta::assert_snapshot!(told(&[few, many], &[few, more]), @"
    stream events
      event: alternative added: `c`  [callers: compatible, wire: compatible]
    0 breaking, 1 compatible
    ");
}

/// What a comparison tells of has to be there still, and what is said in another way be the same.
#[test]
fn a_comparison_runs_the_steps_that_keep_limits() {
    let kept = json!({ "type": "object", "additionalProperties": false, "properties": {
        "x": { "type": "integer", "minimum": 0, "maximum": 9, "enum": [1, 2] } } });
    let document = document(kept.clone(), json!({}));
    let schema = "/paths/~1runs/post/requestBody/content/application~1json/schema";
    assert_eq!(document.0.pointer(schema), Some(&kept));
    let names: Vec<&str> =
        lower::STEPS.iter().filter(|step| !step.for_diff).map(|step| step.name).collect();
    let dropped = [
        "limits move to an extension",
        "integers get their width",
        "optional lists and maps may be null",
        "only JSON bodies are left",
        "newer keywords are dropped",
    ];
    assert_eq!(names, dropped);
}

#[test]
fn the_exit_status_tells_the_worst_change() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("openapi/runs.yaml")).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let same = write("same.yaml", text.clone());
    let more =
        write("more.yaml", text.replacen("enum: [asc, desc]", "enum: [asc, desc, sideways]", 1));
    let less = write("less.yaml", text.replacen("/cancel:", "/stop:", 1));
    let status = |old: &str, new: &str| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_xtask")).args(["diff", old, new]).output().unwrap();
        output.status.code()
    };
    assert_eq!(status(&same, &same), Some(0));
    assert_ne!(text, fs::read_to_string(&more).unwrap(), "the test's change does not apply");
    assert_eq!(status(&same, &more), Some(1));
    assert_eq!(status(&same, &less), Some(2));
    assert_eq!(status(&same, "no-such-revision"), Some(3));
}

#[test]
fn an_effect_is_the_worse_of_both() {
    assert!(Effect::Breaking > Effect::Compatible);
}
