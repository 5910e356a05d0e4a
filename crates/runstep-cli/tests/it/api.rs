//! `runstep api`: every operation of the specification.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use runstep_server::model::Turn;
use serde_json::{Value, json};

use crate::harness::{Program, TestServer};

/// The ids of the operations in the document that the server validates with.
fn operation_ids() -> Vec<String> {
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|item| item.as_object().unwrap().values());
    operations
        .filter_map(|operation| Some(operation.get("operationId")?.as_str()?.to_owned()))
        .collect()
}

#[test]
fn every_operation_is_a_command() {
    let ids = operation_ids();
    assert_eq!(ids.len(), 23);
    for id in ids {
        // The id of the specification is an alias.
        let help = Program::new(&["api", &id, "--help"]).ok();
        assert!(help.contains("Usage: runstep api "), "{help}");
    }
    insta::assert_snapshot!(Program::new(&["api", "--help"]).ok());
    insta::assert_snapshot!("create_run_help", Program::new(&["api", "create-run", "--help"]).ok());
}

/// A server that records requests as `METHOD path?query body`.
fn recording_server() -> (TestServer, Arc<Mutex<Vec<String>>>) {
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let recorded = Arc::clone(&requests);
    let router = Router::new().fallback(async move |request: Request| {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        recorded.lock().unwrap().push(format!("{} {} {body}", head.method, head.uri));
        axum::Json(json!({ "id": "x", "text": "\u{1b}[2J\u{9b}" }))
    });
    (TestServer::from_router(router), requests)
}

#[test]
fn flags_become_the_path_the_query_and_the_body() {
    let (server, requests) = recording_server();
    let sent = |arguments: &[&str]| {
        server.runstep(&[&["api"], arguments].concat()).ok();
        requests.lock().unwrap().pop().unwrap()
    };
    assert_eq!(
        sent(&["list-runs", "--thread-id", "a/b c", "--limit", "3", "--order", "asc"]),
        "GET /v1/threads/a%2Fb%20c/runs?limit=3&order=asc "
    );
    assert_eq!(
        sent(&["list-run-steps", "--thread-id=t", "--run-id=r", "--include=a", "--include=b"]),
        "GET /v1/threads/t/runs/r/steps?include%5B%5D=a&include%5B%5D=b "
    );
    let body = r#"{"model": "old", "tools": [{"type": "file_search"}]}"#;
    let mut create =
        vec!["create-assistant", "--body", body, "--model", "new", "--temperature=0.5"];
    create.extend(["--metadata", "team=blue", "--metadata", "a=b=c", "--name", "-x-"]);
    assert_eq!(
        sent(&create),
        r#"POST /v1/assistants {"model":"new","tools":[{"type":"file_search"}],"name":"-x-","metadata":{"team":"blue","a":"b=c"},"temperature":0.5}"#
    );
    assert_eq!(sent(&["create-thread"]), "POST /v1/threads ");
    assert_eq!(sent(&["update-thread", "--thread-id", "t"]), "POST /v1/threads/t {}");
    assert_eq!(
        sent(&["threads.runs.cancel", "--thread-id", "t", "--run-id", "r"]),
        "POST /v1/threads/t/runs/r/cancel "
    );
}

#[test]
fn a_body_comes_from_a_file_or_standard_input() {
    let (server, requests) = recording_server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    std::fs::write(&file, r#"{"model": "a"}"#).unwrap();
    server.runstep(&["api", "create-assistant", "--body", file.to_str().unwrap()]).ok();
    server.runstep(&["api", "create-assistant", "--body", "-"]).input(r#"{"model":"b"}"#).ok();
    let requests = requests.lock().unwrap();
    assert_eq!(
        *requests,
        [r#"POST /v1/assistants {"model":"a"}"#, r#"POST /v1/assistants {"model":"b"}"#]
    );
}

#[test]
fn bodies_that_are_not_valid_are_not_sent() {
    let (server, requests) = recording_server();
    for (arguments, reason) in [
        (&["create-assistant"][..], "the body has no `model`"),
        (&["create-assistant", "--body", "{\"model\""], "not valid JSON"),
        (&["create-assistant", "--model", "a", "--temperature", "NaN"], "not a finite number"),
        (&["retrieve-run", "--thread-id", "t", "--run-id", ".."], "`..` is not an id"),
        (&["retrieve-run", "--thread-id", "t"], "--run-id"),
    ] {
        let finished = server.runstep(&[&["api"], arguments].concat()).run();
        assert_eq!(finished.code, Some(2), "{finished}");
        assert!(finished.stderr.contains(reason), "{reason}: {finished}");
    }
    assert!(requests.lock().unwrap().is_empty());
}

#[test]
fn responses_are_json_without_control_characters() {
    let (server, _) = recording_server();
    let pretty = server.runstep(&["api", "create-thread"]).ok();
    assert_eq!(pretty, "{\n  \"id\": \"x\",\n  \"text\": \"\\u001b[2J\\u009b\"\n}\n");
    let line = server.runstep(&["api", "create-thread", "--json"]).ok();
    assert_eq!(line, "{\"id\":\"x\",\"text\":\"\\u001b[2J\\u009b\"}\n");
}

#[test]
fn a_stream_is_printed_as_it_is() {
    let server = TestServer::with_turns([Turn::chunks(["Hel", "lo."])]);
    server.assistant(json!([]));
    server.runstep(&["api", "create-thread"]).ok();
    let create = ["api", "create-run", "--thread-id", "thread_abc123", "--stream"];
    let stdout = server.runstep(&[&create[..], &["--assistant-id", "asst_abc123"]].concat()).ok();
    let events: Vec<&str> =
        stdout.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(events.first(), Some(&"thread.run.created"));
    assert_eq!(events.last(), Some(&"done"));
    assert!(events.contains(&"thread.message.delta"), "{stdout}");
}
