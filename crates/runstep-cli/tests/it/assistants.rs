//! `runstep assistants`.

use runstep_server::model::Turn;
use serde_json::{Value, json};

use crate::harness::TestServer;

const FILE: &str = r#"
name = "Weather"
model = "test"
instructions_file = "instructions.md"
temperature = 1

[metadata]
team = "blue"

[[tools]]
type = "function"

[tools.function]
name = "weather"
description = "Current weather in a city"
parameters = { type = "object", properties = { city = { type = "string" } } }
"#;

fn server() -> TestServer {
    TestServer::with_turns(Vec::<Turn>::new())
}

#[test]
fn assistants_are_created_and_listed() {
    let server = server();
    let create = ["assistants", "create", "--model", "test", "--name", "Weather", "--metadata"];
    let created = server.runstep(&[&create[..], &["team=blue"]].concat()).ok();
    assert_eq!(created, "asst_abc123\n");
    assert_eq!(server.get("/assistants/asst_abc123")["metadata"], json!({ "team": "blue" }));
    server.assistant(json!([{ "type": "function", "function": { "name": "weather" } }]));
    insta::assert_snapshot!(server.runstep(&["assistants", "list"]).ok());
    let lines = server.runstep(&["assistants", "list", "--json", "--limit", "1"]).ok();
    let assistant: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(assistant["id"], "asst_abc124");
}

#[test]
fn a_file_is_applied_once() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weather.toml");
    std::fs::write(&file, FILE).unwrap();
    std::fs::write(folder.path().join("instructions.md"), "Be brief.\n").unwrap();
    let apply = ["assistants", "apply", file.to_str().unwrap()];
    let with = |more: &[&str]| server.runstep(&[&apply[..], more].concat()).ok();
    assert_eq!(with(&["--dry-run"]), "the assistant would be created\n");
    assert_eq!(with(&[]), "asst_abc123 created\n");
    assert_eq!(with(&[]), "asst_abc123 is up to date\n");
    let assistant = server.get("/assistants/asst_abc123");
    assert_eq!(assistant["instructions"], "Be brief.");
    assert_eq!(assistant["tools"][0]["function"]["name"], "weather");

    std::fs::write(folder.path().join("instructions.md"), "Be very brief.\n").unwrap();
    let changes = "  instructions: Be brief. → Be very brief.\n";
    assert_eq!(with(&["--dry-run"]), format!("asst_abc123 would be updated\n{changes}"));
    assert_eq!(with(&[]), format!("asst_abc123 updated\n{changes}"));
    let applied: Value = serde_json::from_str(&with(&["--json"])).unwrap();
    assert_eq!(applied["action"], "none");
    assert_eq!(applied["changed"], json!([]));
    assert_eq!(applied["assistant"], server.get("/assistants/asst_abc123"));
}

#[test]
fn a_name_that_is_not_unique_needs_an_id() {
    let server = server();
    server.assistant(json!([]));
    server.assistant(json!([]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weather.toml");
    let apply = |text: &str| {
        std::fs::write(&file, text).unwrap();
        server.runstep(&["assistants", "apply", file.to_str().unwrap()]).run()
    };
    let ambiguous = apply("name = 'Weather'\nmodel = 'test'");
    assert_eq!(ambiguous.code, Some(2), "{ambiguous}");
    assert!(ambiguous.stderr.contains("asst_abc124, asst_abc123"), "{ambiguous}");
    let by_id = apply("id = 'asst_abc124'\nname = 'Other'");
    assert_eq!(by_id.stdout, "asst_abc124 updated\n  name: Weather → Other\n", "{by_id}");
    assert_eq!(apply("id = 'asst_none'\nname = 'Other'").code, Some(4));
    // An id is one segment of the path, whatever it contains.
    let elsewhere = apply("id = '../threads'\nname = 'Other'");
    assert_eq!(elsewhere.code, Some(2), "{elsewhere}");
}

#[test]
fn files_that_are_not_valid_are_rejected_before_a_request() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weather.toml");
    for (text, reason) in [
        ("name = 'a'\nmodle = 'test'", "`modle` is not a property"),
        ("model = 'test'", "neither an `id` nor a `name`"),
        ("name = 'a'\ninstructions = 'x'\ninstructions_file = 'y'", "both"),
        ("id = 3", "expected a text"),
        ("name =", "TOML"),
    ] {
        std::fs::write(&file, text).unwrap();
        let finished = server.runstep(&["assistants", "apply", file.to_str().unwrap()]).run();
        assert_eq!(finished.code, Some(2), "{finished}");
        assert!(finished.stderr.contains(reason), "{reason}: {finished}");
    }
}
