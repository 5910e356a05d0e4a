//! The key: where it comes from, where it is sent, and that it is never shown.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;

use crate::harness::{Program, TestServer};

/// A server that records the headers of requests, and answers with an empty list.
fn recording_server() -> (TestServer, Arc<Mutex<Vec<HeaderMap>>>) {
    let headers: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let recorded = Arc::clone(&headers);
    let router = Router::new().fallback(move |headers: HeaderMap| {
        recorded.lock().unwrap().push(headers);
        async { axum::Json(serde_json::json!({ "object": "list", "data": [] })).into_response() }
    });
    (TestServer::from_router(router), headers)
}

fn header(headers: &Mutex<Vec<HeaderMap>>, name: &str) -> Option<String> {
    let headers = headers.lock().unwrap().pop().unwrap();
    headers.get(name).map(|value| value.to_str().unwrap().to_owned())
}

const LIST: [&str; 2] = ["assistants", "list"];

#[test]
fn a_key_is_sent_only_to_the_base_url_it_belongs_to() {
    let (server, headers) = recording_server();
    let url = server.base_url();
    let key = |program: Program| {
        program.ok();
        header(&headers, "authorization")
    };
    let with_keys = |arguments: &[&str]| {
        let program = Program::new(arguments).env("OPENAI_API_KEY", "sk-openai");
        program.env("RUNSTEP_API_KEY", "rs-runstep").env("RUNSTEP_HEADERS", "x-team: blue")
    };
    let elsewhere = [&LIST[..], &["--base-url", &url]].concat();
    assert_eq!(key(with_keys(&elsewhere)), None);
    assert_eq!(
        key(with_keys(&LIST).env("RUNSTEP_BASE_URL", &url)).as_deref(),
        Some("Bearer rs-runstep")
    );
    assert_eq!(
        key(with_keys(&LIST).env("OPENAI_BASE_URL", &url)).as_deref(),
        Some("Bearer sk-openai")
    );
    let same = format!("{url}/");
    assert_eq!(
        key(with_keys(&elsewhere).env("OPENAI_BASE_URL", &same)).as_deref(),
        Some("Bearer sk-openai")
    );
    let named = [&elsewhere[..], &["--api-key-env", "OPENAI_API_KEY"]].concat();
    assert_eq!(key(with_keys(&named)).as_deref(), Some("Bearer sk-openai"));
}

#[test]
fn headers_come_from_the_environment_and_from_flags() {
    let (server, headers) = recording_server();
    let run = |arguments: &[&str], name: &str| {
        let lines = "x-team: blue\n\nx-region: eu\n";
        server.runstep(arguments).env("RUNSTEP_HEADERS", lines).env("RUNSTEP_API_KEY", "k").ok();
        header(&headers, name)
    };
    assert_eq!(run(&LIST, "x-region").as_deref(), Some("eu"));
    let red = [&LIST[..], &["--header", "x-team: red"]].concat();
    assert_eq!(run(&red, "x-team").as_deref(), Some("red"));
    let azure = [&LIST[..], &["--api-key-header"]].concat();
    assert_eq!(run(&azure, "api-key").as_deref(), Some("k"));
}

#[test]
fn a_key_file_is_read_and_the_key_is_never_shown() {
    let (server, headers) = recording_server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "file-key\nother line\n").unwrap();
    let arguments = [&LIST[..], &["--api-key-file", file.to_str().unwrap()]].concat();
    server.runstep(&arguments).ok();
    assert_eq!(header(&headers, "authorization").as_deref(), Some("Bearer file-key"));

    for arguments in [&["--help"][..], &["ask", "--help"], &["completions", "bash"]] {
        let program = Program::new(arguments).env("RUNSTEP_API_KEY", "secret-key");
        let finished = program.env("OPENAI_API_KEY", "secret-key").run();
        assert!(!finished.to_string().contains("secret-key"), "{finished}");
    }
    let broken = Program::new(&LIST).env("RUNSTEP_BASE_URL", "http://127.0.0.1:1/v1");
    let finished = broken.env("RUNSTEP_API_KEY", "secret\u{1}key").run();
    assert_eq!(finished.code, Some(2));
    assert!(!finished.to_string().contains("secret"), "{finished}");
}
