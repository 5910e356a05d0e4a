//! Reports of changes between two documents.

use std::fs;

use serde_json::{Value, json};
use xtask::codegen::document::Document;
use xtask::codegen::lower;
use xtask::diff::{self, change::Effect, report};

use crate::{all_operations, json_content, reference, repository, xtask};

/// Returns a document with one operation.
fn document(request: Value, response: Value) -> Document {
    let document = Document(json!({
        "openapi": "3.1.0",
        "paths": { "/runs": { "post": {
            "requestBody": { "required": true, "content": json_content(request) },
            "responses": { "200": { "content": json_content(response) } },
        } } },
        "components": { "schemas": {} },
    }));
    comparable(document)
}

fn comparable(document: Document) -> Document {
    diff::comparable(document, &all_operations()).unwrap()
}

/// Returns the report for a change of a property, in a request and in a response.
fn changed(from: Value, to: Value) -> String {
    let object = |property: &Value| json!({ "type": "object", "properties": { "x": property } });
    let (old, new) = (document(object(&from), object(&from)), document(object(&to), object(&to)));
    report::text(&diff::compare(&old, &new))
}

#[test]
fn changes_of_a_property_have_effects_on_callers_and_on_the_wire() {
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
        ("unsigned", json!({ "type": "integer" }), json!({ "type": "integer", "minimum": 0 })),
        (
            "signed",
            json!({ "type": "integer", "minimum": 1 }),
            json!({ "type": "integer", "minimum": -1 }),
        ),
        (
            "still unsigned",
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
    let reports: Vec<String> = cases
        .into_iter()
        .map(|(name, from, to)| format!("# {name}\n{}\n", changed(from, to)))
        .collect();
    insta::assert_snapshot!(reports.join("\n"));
}

#[test]
fn properties_are_added_removed_and_required() {
    let old =
        json!({ "type": "object", "required": ["a"], "properties": { "a": {}, "b": {}, "c": {} } });
    let new = json!({ "type": "object", "required": ["b", "e"], "properties": { "a": {}, "b": {}, "d": {}, "e": {} } });
    let changes = diff::compare(&document(old.clone(), old), &document(new.clone(), new));
    insta::assert_snapshot!(report::text(&changes));
    insta::assert_snapshot!(report::markdown(&changes));
    assert_eq!(diff::exit_status(&changes), 2);
}

#[test]
fn equivalent_forms_are_equal() {
    let equivalent = [
        (
            json!({ "type": ["string", "null"] }),
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
        ),
        (json!({ "const": "a" , "type": "string" }), json!({ "type": "string", "enum": ["a"] })),
        (
            json!({ "type": "number", "maximum": 2 }),
            json!({ "type": "number", "maximum": 2.0, "description": "Another description" }),
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
    for (form, other) in equivalent {
        assert_eq!(
            changed(form.clone(), other.clone()),
            "0 breaking, 0 compatible",
            "{form} {other}"
        );
        assert_eq!(
            changed(other.clone(), form.clone()),
            "0 breaking, 0 compatible",
            "{other} {form}"
        );
    }
}

#[test]
fn operations_and_parameters_are_matched_by_path_and_name() {
    let with_paths =
        |paths: Value| comparable(Document(json!({ "openapi": "3.0.0", "paths": paths })));
    let responses = json!({ "200": { "description": "" } });
    let parameter = |name: &str, required: bool| json!({ "name": name, "in": "query", "required": required, "schema": { "type": "string" } });
    let old = with_paths(json!({
        "/runs/{id}": { "get": { "responses": responses, "parameters": [parameter("a", false), parameter("b", false)] } },
        "/old": { "get": { "responses": responses } },
    }));
    let new = with_paths(json!({
        "/runs/{run_id}": { "get": { "responses": responses, "parameters": [parameter("b", true), parameter("c", false)] } },
        "/new": { "get": { "responses": responses } },
    }));
    insta::assert_snapshot!(report::text(&diff::compare(&old, &new)));
}

#[test]
fn unions_are_matched_by_discriminator() {
    let variant = |tag: &str, property: &str| json!({ "type": "object", "properties": { "type": { "const": tag }, property: { "type": "string" } } });
    let old = json!({ "oneOf": [variant("a", "x"), variant("b", "x")] });
    let new = json!({ "oneOf": [variant("c", "x"), variant("b", "y")] });
    insta::assert_snapshot!(report::text(&diff::compare(
        &document(old.clone(), old),
        &document(new.clone(), new)
    )));
    let object = variant("a", "x");
    let union_of_one = json!({ "oneOf": [variant("a", "x")] });
    assert!(
        diff::compare(
            &document(object.clone(), object),
            &document(union_of_one.clone(), union_of_one)
        )
        .is_empty()
    );
}

/// Returns a document whose operations share a schema, which contains another one.
fn sharing(operations: usize, inner: Value) -> Document {
    let content = json_content(reference("Outer"));
    let mut paths = json!({});
    for number in 0..operations {
        paths[format!("/{number}")] =
            json!({ "post": { "responses": { "200": { "content": content } } } });
    }
    let document =
        Document(json!({ "openapi": "3.1.0", "paths": paths, "components": { "schemas": {
        "Outer": { "type": "object", "properties": {
            "one": reference("Inner"), "all": { "type": "array", "items": reference("Inner") } } },
        "Inner": { "type": "object", "properties": { "x": inner, "self": reference("Inner") } },
    } } }));
    comparable(document)
}

#[test]
fn change_of_a_shared_schema_names_the_operations() {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let changes = |operations: usize| {
        diff::compare(&sharing(operations, text.clone()), &sharing(operations, number.clone()))
    };
    assert_eq!(changes(1)[0].also_in(), "");
    assert_eq!(changes(2)[0].also_in(), "also in POST /1");
    let first = changes(5);
    insta::assert_snapshot!(format!("{}\n\n{}", report::text(&first), report::markdown(&first)), @"
    POST /0
      response 200 .one .x: type changed from string to integer  [callers: breaking, wire: breaking] (also in POST /1, POST /2 and 2 more)
    1 breaking, 0 compatible

    ### Breaking

    - `POST /0, response 200 .one .x`: type changed from string to integer (callers and wire); also in POST /1, POST /2 and 2 more
    ");
    assert_eq!(first, changes(5));
}

/// The name of a union, and the names of its events.
type Events<'a> = (&'a str, &'a [&'a str]);

/// Returns a document with unions of events.
fn streaming(unions: &[Events<'_>]) -> Document {
    let mut schemas = json!({ "Run": { "type": "object" } });
    for (name, events) in unions {
        let event = |event: &&str| {
            json!({ "type": "object", "properties": {
            "event": { "const": event }, "data": reference("Run") } })
        };
        schemas[*name] = json!({ "oneOf": events.iter().map(event).collect::<Vec<_>>() });
    }
    let content = json_content(reference("Run"));
    let document = Document(json!({
        "openapi": "3.1.0",
        "paths": { "/runs": { "get": { "responses": { "200": { "content": content } } } } },
        "components": { "schemas": schemas },
    }));
    comparable(document)
}

#[test]
fn events_are_added_removed_and_the_largest_union_is_compared() {
    let few: Events<'_> = ("A", &["x"]);
    let many: Events<'_> = ("B", &["a", "b"]);
    let more: Events<'_> = ("C", &["a", "b", "c"]);
    let report = |old: &[Events<'_>], new: &[Events<'_>]| {
        report::text(&diff::compare(&streaming(old), &streaming(new)))
    };
    insta::assert_snapshot!(report(&[], &[many]), @"
    stream events
      events added  [callers: compatible, wire: compatible]
    0 breaking, 1 compatible
    ");
    insta::assert_snapshot!(report(&[many], &[]), @"
    stream events
      events removed  [callers: breaking, wire: breaking]
    1 breaking, 0 compatible
    ");
    insta::assert_snapshot!(report(&[few, many], &[few, more]), @"
    stream events
      event: alternative added: `c`  [callers: compatible, wire: compatible]
    0 breaking, 1 compatible
    ");
}

#[test]
fn comparison_skips_steps_that_drop_what_it_compares() {
    let limited = json!({ "type": "object", "additionalProperties": false, "properties": {
        "x": { "type": "integer", "minimum": 0, "maximum": 9, "enum": [1, 2] } } });
    let document = document(limited.clone(), json!({}));
    let schema = "/paths/~1runs/post/requestBody/content/application~1json/schema";
    assert_eq!(document.0.pointer(schema), Some(&limited));
    let skipped: Vec<&str> =
        lower::STEPS.iter().filter(|step| !step.for_diff).map(|step| step.name).collect();
    let expected = [
        "limits move to an extension",
        "integers get their width",
        "optional lists and maps may be null",
        "other bodies than JSON are dropped",
        "newer keywords are dropped",
    ];
    assert_eq!(skipped, expected);
}

#[test]
fn exit_status_is_that_of_the_worst_change() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(repository().join("openapi/runs.yaml")).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let same = write("same.yaml", text.clone());
    let more =
        write("more.yaml", text.replacen("enum: [asc, desc]", "enum: [asc, desc, sideways]", 1));
    let less = write("less.yaml", text.replacen("/cancel:", "/stop:", 1));
    let status = |old: &str, new: &str| xtask(&["diff", old, new]).status.code();
    assert_eq!(status(&same, &same), Some(0));
    assert_ne!(text, fs::read_to_string(&more).unwrap(), "the replacement has no effect");
    assert_eq!(status(&same, &more), Some(1));
    assert_eq!(status(&same, &less), Some(2));
    assert_eq!(status(&same, "no-such-revision"), Some(3));
}

#[test]
fn breaking_is_worse_than_compatible() {
    assert!(Effect::Breaking > Effect::Compatible);
}
