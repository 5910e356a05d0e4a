//! Reports of changes between two documents.

use std::fs;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use xtask::codegen::document::Document;
use xtask::codegen::{Selection, lower, read};
use xtask::diff::{self, Version, report};

use crate::diff_oracle::mutations::rename_component;
use crate::{all_operations, json_content, reference, repository, xtask};

/// Returns a document with one operation.
fn document(request: Value, response: Value) -> Version {
    prepare(Document(unprepared(request, response)))
}

fn unprepared(request: Value, response: Value) -> Value {
    json!({
        "openapi": "3.1.0",
        "paths": { "/runs": { "post": {
            "requestBody": { "required": true, "content": json_content(request) },
            "responses": { "200": { "content": json_content(response) } },
        } } },
        "components": { "schemas": {} },
    })
}

/// Adds what every document must have, and prepares it for a comparison.
fn prepare(document: Document) -> Version {
    Version::new(complete(document), &all_operations()).unwrap()
}

/// Adds what every document must have.
fn complete(mut document: Document) -> Document {
    document.0["info"] = json!({ "title": "", "version": "" });
    for (.., operation) in document.operations_mut() {
        for response in operation["responses"].as_object_mut().unwrap().values_mut() {
            response["description"] = json!("");
        }
    }
    document
}

/// Returns a document with one operation, whose request and response have a property.
pub(crate) fn single_operation(property: Value) -> Value {
    let object = json!({ "type": "object", "properties": { "x": property } });
    complete(Document(unprepared(object.clone(), object))).0
}

/// Prepares a document whose code can be generated.
fn comparable(document: Document) -> Version {
    let version = prepare(document);
    assert!(version.generation_error().is_none(), "{}", version.generation_error().unwrap());
    version
}

/// Returns the report for a change of a property, in a request and in a response.
fn changed(from: &Value, to: &Value) -> String {
    let object = |property: &Value| json!({ "type": "object", "properties": { "x": property } });
    let (old, new) = (document(object(from), object(from)), document(object(to), object(to)));
    report::text(&diff::compare(&old, &new))
}

/// The names of cases, with the schemas before and after.
type Cases = Vec<(String, [Value; 2])>;

#[derive(Deserialize)]
struct Fixture {
    changes: Map<String, Value>,
    equivalent: Map<String, Value>,
}

fn fixture() -> [Cases; 2] {
    let Fixture { changes, equivalent } =
        serde_yaml_ng::from_str(include_str!("fixtures/diff.yaml")).unwrap();
    [changes, equivalent].map(|cases| {
        let case = |(name, case): (String, Value)| (name, [case[0].clone(), case[1].clone()]);
        cases.into_iter().map(case).collect()
    })
}

/// Returns all cases.
pub(crate) fn cases() -> Cases {
    fixture().concat()
}

#[test]
fn changes_of_a_property_have_effects_on_callers_and_on_the_wire() {
    let [changes, _] = fixture();
    let reports: Vec<String> = changes
        .iter()
        .map(|(name, [before, after])| format!("# {name}\n{}\n", changed(before, after)))
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
    let [_, equivalent] = fixture();
    for (name, case) in equivalent {
        assert_eq!(
            changed(&case[0], &case[1]),
            "0 breaking (0 for callers, 0 on the wire), 0 compatible",
            "{name}"
        );
        assert_eq!(
            changed(&case[1], &case[0]),
            "0 breaking (0 for callers, 0 on the wire), 0 compatible",
            "{name}, reversed"
        );
    }
}

#[test]
fn operations_and_parameters_are_matched_by_path_and_name() {
    let with_paths =
        |paths: Value| comparable(Document(json!({ "openapi": "3.0.0", "paths": paths })));
    let responses = json!({ "200": { "description": "" } });
    let located = |name: &str, location: &str, required: bool| json!({ "name": name, "in": location, "required": required, "schema": { "type": "string" } });
    let parameter = |name: &str, required: bool| located(name, "query", required);
    let old = with_paths(json!({
        "/runs/{id}": { "get": { "responses": responses, "operationId": "get", "parameters": [located("id", "path", true), parameter("a", false), parameter("b", false)] } },
        "/old": { "get": { "responses": responses } },
    }));
    let new = with_paths(json!({
        "/runs/{run_id}": { "get": { "responses": responses, "operationId": "get", "parameters": [located("run_id", "path", true), parameter("b", true), parameter("c", false)] } },
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
fn sharing(operations: usize, inner: Value) -> Version {
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
    1 breaking (1 for callers, 1 on the wire), 0 compatible

    ### Breaking

    - `POST /0, response 200 .one .x`: type changed from string to integer (callers and wire); also in POST /1, POST /2 and 2 more
    ");
    assert_eq!(first, changes(5));
}

/// The name of a union, and the names of its events.
type Events<'a> = (&'a str, &'a [&'a str]);

/// Returns a document with unions of events.
fn streaming(unions: &[Events<'_>]) -> Version {
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
    0 breaking (0 for callers, 0 on the wire), 1 compatible
    ");
    insta::assert_snapshot!(report(&[many], &[]), @"
    stream events
      events removed  [callers: breaking, wire: breaking]
    1 breaking (1 for callers, 1 on the wire), 0 compatible
    ");
    insta::assert_snapshot!(report(&[few, many], &[few, more]), @"
    stream events
      event: alternative added: `c`  [callers: compatible, wire: compatible]
    generated code
      type `B` is now `C`  [callers: breaking, wire: compatible]
    1 breaking (1 for callers, 0 on the wire), 1 compatible
    ");
}

#[test]
fn comparison_skips_steps_that_drop_what_it_compares() {
    let limited = json!({ "type": "object", "additionalProperties": false, "properties": {
        "x": { "type": "integer", "minimum": 0, "maximum": 9, "enum": [1, 2] } } });
    let document = document(limited.clone(), json!({}));
    let schema = "/paths/~1runs/post/requestBody/content/application~1json/schema";
    assert_eq!(document.document.0.pointer(schema), Some(&limited));
    let skipped: Vec<&str> =
        lower::STEPS.iter().filter(|step| !step.for_diff).map(|step| step.name).collect();
    let expected = [
        "limits move to an extension",
        "integers get their width",
        "plain components are inlined",
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

/// Returns the report for a mutation of `openapi/runs.yaml`.
fn mutated(mutate: impl FnOnce(&mut Value)) -> String {
    let old = read::read(&repository().join("openapi/runs.yaml")).unwrap();
    let mut new = old.clone();
    mutate(&mut new.0);
    let versions = [old, new].map(|it| Version::new(it, &Selection::default()).unwrap());
    report::text(&diff::compare(&versions[0], &versions[1]))
}

#[test]
fn names_that_change_without_the_wire_break_callers() {
    insta::assert_snapshot!(mutated(|document| {
        document["paths"]["/threads/{thread_id}/runs"]["post"]["operationId"] = json!("startRun");
        rename_component(document, "MessageList", "ListOfMessages");
        document["components"]["schemas"]["FunctionTool"]["title"] = json!("Callback");
    }), @"
    generated code
      type `MessageList` is now `ListOfMessages`  [callers: breaking, wire: compatible]
      method `create_run` is now `start_run`  [callers: breaking, wire: compatible]
      method `create_run_stream` is now `start_run_stream`  [callers: breaking, wire: compatible]
      `Operation::CreateRun` is now `Operation::StartRun`  [callers: breaking, wire: compatible]
      `Tool::Function` is now `Tool::Callback`  [callers: breaking, wire: compatible]
    5 breaking (5 for callers, 0 on the wire), 0 compatible
    ");
}

#[test]
fn null_breaks_callers_only_if_the_code_differs() {
    let with_null = |schema: &str, property: &str| {
        mutated(|document| {
            let property = &mut document["components"]["schemas"][schema]["properties"][property];
            let kind = property["type"].as_str().unwrap().to_owned();
            property["type"] = json!([kind, "null"]);
        })
    };
    // An optional property of a response has the same type.
    insta::assert_snapshot!(with_null("FileCitationDelta", "quote"), @"
    POST /threads/runs
      response 200<thread.message.delta> .data .delta .content[]<text> .text .annotations[]<file_citation> .file_citation .quote: may be null now  [callers: compatible, wire: compatible] (also in POST /threads/{thread_id}/runs, GET /threads/{thread_id}/runs/{run_id} and 2 more)
    0 breaking (0 for callers, 0 on the wire), 1 compatible
    ");
    // A required one is an argument of the constructor.
    insta::assert_snapshot!(with_null("Run", "model"), @"
    POST /threads/runs
      response 200 .model: may be null now  [callers: breaking, wire: breaking] (also in GET /threads/{thread_id}/runs, POST /threads/{thread_id}/runs and 5 more)
    1 breaking (1 for callers, 1 on the wire), 0 compatible
    ");
}

#[test]
fn changes_of_shared_parts_are_reported_once() {
    insta::assert_snapshot!(mutated(|document| {
        document["components"]["parameters"]["Limit"]["schema"]["default"] = json!(30);
        document["components"]["schemas"]["ErrorObject"]["properties"]["code"] = json!({ "type": "integer" });
        document["components"]["securitySchemes"]["ApiKey"]["scheme"] = json!("basic");
        document["paths"]["/threads"]["post"]["deprecated"] = json!(true);
        document["paths"]["/threads"]["post"]["security"] = json!([]);
        document["paths"]["/threads"]["post"]["responses"].as_object_mut().unwrap().shift_remove("4XX");
        document["paths"]["/threads"]["post"]["responses"]["418"] = json!({ "description": "" });
    }), @"
    GET /assistants
      authentication removed: `http bearer`  [callers: compatible, wire: breaking] (also in POST /assistants, DELETE /assistants/{assistant_id} and 19 more)
      authentication added: `http basic`  [callers: compatible, wire: compatible] (also in POST /assistants, DELETE /assistants/{assistant_id} and 19 more)
      query parameter `limit`: default changed from 20 to 30  [callers: compatible, wire: breaking] (also in GET /threads/{thread_id}/messages, GET /threads/{thread_id}/runs and 1 more)
      response 429 .error .code: may no longer be null  [callers: breaking, wire: compatible] (also in POST /assistants, DELETE /assistants/{assistant_id} and 21 more)
      response 429 .error .code: type changed from string to integer  [callers: breaking, wire: breaking] (also in POST /assistants, DELETE /assistants/{assistant_id} and 21 more)
    POST /threads
      deprecated now  [callers: compatible, wire: compatible]
      authentication no longer required  [callers: compatible, wire: compatible]
      response 418: status added  [callers: compatible, wire: compatible]
      response 4XX: status removed  [callers: compatible, wire: compatible]
    4 breaking (2 for callers, 3 on the wire), 5 compatible
    ");
}

#[test]
fn effects_on_callers_are_unknown_without_code() {
    let object = |property: Value| json!({ "type": "object", "properties": { "x": property } });
    let list = json!({ "type": "array", "items": { "type": "string" }, "contains": {} });
    let text = object(json!({ "type": "string" }));
    let new = document(object(list), json!({}));
    assert!(new.generation_error().is_some());
    let changes = diff::compare(&document(text, json!({})), &new);
    assert_eq!(diff::exit_status(&changes), 2);
    insta::assert_snapshot!(report::text(&changes), @"
    POST /runs
      request .x: type changed from string to array  [callers: unknown, wire: breaking]
    generated code
      not compared, since a document does not generate: at /paths/~1runs/post/requestBody/content/application~1json/schema/properties/x/contains: `contains` is not supported  [callers: unknown, wire: compatible]
    1 breaking (0 for callers, 1 on the wire), 1 unknown, 0 compatible
    ");
}

#[test]
fn properties_become_read_only_or_write_only() {
    insta::assert_snapshot!(mutated(|document| {
        let schemas = &mut document["components"]["schemas"];
        schemas["CreateRunRequest"]["properties"]["model"]["readOnly"] = json!(true);
        schemas["Run"]["properties"]["model"]["writeOnly"] = json!(true);
    }), @"
    POST /threads/runs
      response 200 .model: write-only now  [callers: compatible, wire: breaking] (also in GET /threads/{thread_id}/runs, POST /threads/{thread_id}/runs and 5 more)
    POST /threads/{thread_id}/runs
      request .model: read-only now  [callers: compatible, wire: breaking]
    2 breaking (0 for callers, 2 on the wire), 0 compatible
    ");
}

#[test]
fn an_unsupported_schema_is_an_unknown_change() {
    let object = |property: Value| json!({ "type": "object", "properties": { "x": property } });
    let any = document(object(json!({})), json!({}));
    let never = || document(object(json!(false)), json!({}));
    let changes = diff::compare(&any, &never());
    assert_eq!(diff::exit_status(&changes), 2);
    insta::assert_snapshot!(report::text(&changes), @"
    generated code
      not compared, since a document does not generate: at /paths/~1runs/post/requestBody/content/application~1json/schema/properties/x: a schema must be an object  [callers: unknown, wire: compatible]
    0 breaking (0 for callers, 0 on the wire), 1 unknown, 0 compatible
    ");
    assert_eq!(diff::exit_status(&diff::compare(&never(), &never())), 0);
}

#[test]
fn shared_maps_are_compared_once_and_numbers_by_value() {
    insta::assert_snapshot!(mutated(|document| {
        let schemas = &mut document["components"]["schemas"];
        schemas["Metadata"]["maxProperties"] = json!(8);
        let temperature = &mut schemas["CreateRunRequest"]["properties"]["temperature"];
        assert_eq!(temperature["default"], json!(1.0));
        temperature["default"] = json!(1);
    }), @"
    POST /assistants
      request .tool_resources .file_search .vector_stores[] .metadata: maximum number of properties changed from 16 to 8  [callers: compatible, wire: breaking] (also in GET /assistants, GET /assistants/{assistant_id} and 18 more)
    1 breaking (0 for callers, 1 on the wire), 0 compatible
    ");
}
