//! Errors do not show the secrets of the connection, also if the provider repeats them.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde_json::json;

use crate::harness::{Program, TestServer};

const KEY: &str = "sk-very-\"secret\"-key";

/// A provider that repeats all headers in its errors, as JSON or as text.
fn repeating_server(status: StatusCode, is_json: bool) -> TestServer {
    let router = Router::new().fallback(async move |headers: HeaderMap| {
        let text = |name: &str| {
            headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let message = format!(
            "Incorrect API key provided: {}{}, x-team {}, x-token {}",
            text("authorization"),
            text("api-key"),
            text("x-team"),
            text("x-token"),
        );
        let error = json!({ "error": { "message": message, "code": message } });
        match is_json {
            true => (status, axum::Json(error)).into_response(),
            false => (status, error.to_string() + " no JSON").into_response(),
        }
    });
    TestServer::from_router(router)
}

#[track_caller]
fn assert_hidden(program: Program, expected: &str) {
    let finished = program
        .env("RUNSTEP_API_KEY", KEY)
        .env("RUNSTEP_HEADERS", "x-team: Basic dXNlcjpwYXNz\n")
        .run();
    let text = finished.to_string();
    assert!(text.contains(expected), "{text}");
    for part in ["sk-very", "secret\"-key", "secret\\\"-key", "dXNlcjpwYXNz", "token-1234"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_secret_in_an_error_of_the_provider_is_replaced() {
    for (status, is_json) in [
        (StatusCode::UNAUTHORIZED, true),
        (StatusCode::UNAUTHORIZED, false),
        (StatusCode::BAD_REQUEST, true),
        (StatusCode::OK, false),
    ] {
        let server = repeating_server(status, is_json);
        for arguments in [
            &["threads", "show", "t"][..],
            &["threads", "show", "t", "--json"],
            &["api", "retrieve-thread", "--thread-id", "t", "--api-key-header"],
            &["runs", "list", "--json"],
            &["ask", "Hi", "--assistant", "a", "--header", "x-token: token-1234"],
        ] {
            if status == StatusCode::OK && arguments.first() == Some(&"api") {
                // The response is the result, and not an error.
                continue;
            }
            let expected = if status == StatusCode::OK { "error: " } else { "[secret]" };
            assert_hidden(server.runstep(arguments), expected);
        }
        assert_hidden(server.runstep(&["doctor", "--thread", "t"]), "doctor");
        assert_hidden(server.runstep(&["doctor", "--thread", "t", "--json"]), "doctor");
    }
}

#[test]
fn a_secret_that_is_cut_off_is_replaced() {
    let router = Router::new().fallback(async |headers: HeaderMap| {
        let key = headers["authorization"].to_str().unwrap();
        let message = format!("{}{key}", "x".repeat(1000 - "Bearer sk-very".len()));
        (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": { "message": message } })))
    });
    let server = TestServer::from_router(router);
    assert_hidden(server.runstep(&["threads", "show", "t"]), "Bearer [secret]…");
}

#[test]
fn a_secret_in_the_error_of_a_run_is_replaced() {
    let router = Router::new().fallback(async |headers: HeaderMap| {
        let key = headers["authorization"].to_str().unwrap();
        axum::Json(json!({ "id": "run_1", "object": "thread.run", "thread_id": "t",
            "status": "failed", "last_error": { "code": "server_error", "message": key } }))
    });
    let server = TestServer::from_router(router);
    assert_hidden(server.runstep(&["runs", "show", "run_1", "--thread", "t"]), "Bearer [secret]");
}

#[test]
fn a_key_in_place_of_a_name_is_not_shown() {
    let server = TestServer::from_router(Router::new());
    let list = ["assistants", "list"];
    for (option, value, reason) in [
        ("--api-key-env", "sk-proj-abc123", "the environment variable of --api-key-env is not set"),
        ("--api-key-env", "sk_live_abc123", "the environment variable of --api-key-env is not set"),
        ("--api-key-file", "abc123-abc123-abc123", "cannot read the file of --api-key-file"),
        ("--api-key-file", "sk-abc123", "cannot read the file of --api-key-file"),
        ("--header", "sk-proj-abc123", "--header is not valid"),
    ] {
        let finished = server.runstep(&[&list[..], &[option, value]].concat()).run();
        assert_eq!(finished.code, Some(2), "{finished}");
        assert!(finished.stderr.contains(reason), "{finished}");
        assert!(!finished.to_string().contains("abc123"), "{finished}");
    }
    let named = server.runstep(&[&list[..], &["--api-key-env", "MY_KEY"]].concat()).run();
    assert!(named.stderr.contains("variable MY_KEY of --api-key-env is not set"), "{named}");
    let file = server.runstep(&[&list[..], &["--api-key-file", "keys/none"]].concat()).run();
    assert!(file.stderr.contains("cannot read keys/none"), "{file}");
}
