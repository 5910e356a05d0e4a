//! The exit codes, which are part of the interface.

use std::time::Duration;

use axum::Router;
use runstep_server::model::{ModelErrorKind, Turn};
use runstep_server::{Fault, Faults, Server};
use serde_json::json;

use crate::harness::{Program, TestServer};

const ASK: [&str; 4] = ["ask", "Hello", "--assistant", "asst_abc123"];

/// Returns the exit code of a question that the model answers with this turn.
fn code_of_answer(turn: Turn) -> Option<i32> {
    let server = TestServer::with_turns([turn]);
    server.weather_assistant();
    server.runstep(&ASK).run().code
}

#[test]
fn each_outcome_of_a_run_has_a_code() {
    assert_eq!(code_of_answer(Turn::text("Hello.")), Some(0));
    assert_eq!(
        code_of_answer(Turn::fail(ModelErrorKind::Server, "The model is broken.")),
        Some(10)
    );
    assert_eq!(code_of_answer(Turn::text("Hel").token_limit()), Some(11));
    assert_eq!(code_of_answer(Turn::call("weather", json!({}))), Some(14));
}

#[test]
fn cancelled_and_expired_runs_have_codes() {
    let server = TestServer::with_turns([Turn::call("weather", json!({}))]);
    server.weather_assistant();
    server.runstep(&ASK).run();
    let run = ["run_abc123", "--thread", "thread_abc123"];
    assert_eq!(server.runstep(&[&["runs", "watch"], &run[..]].concat()).run().code, Some(14));
    server.runstep(&[&["runs", "cancel", "--wait"], &run[..]].concat()).ok();
    assert_eq!(server.runstep(&[&["runs", "watch"], &run[..]].concat()).run().code, Some(12));

    let builder = Server::builder().run_lifetime(Duration::from_secs(1));
    let server = TestServer::from_builder(
        builder.model(runstep_server::model::Scripted::new([Turn::call("weather", json!({}))])),
    );
    server.weather_assistant();
    server.runstep(&ASK).run();
    // Any request that changes something moves the clock beyond the lifetime.
    server.runstep(&["api", "create-thread"]).ok();
    assert_eq!(server.runstep(&[&["runs", "watch"], &run[..]].concat()).run().code, Some(13));
}

#[test]
fn a_deadline_has_a_code_and_leaves_the_run() {
    let server = TestServer::with_turns([Turn::text("Hel").and_stall()]);
    server.weather_assistant();
    let finished = server.runstep(&[&ASK[..], &["--deadline", "1s"]].concat()).run();
    assert_eq!(finished.code, Some(15), "{finished}");
    let commands = "the run continues; follow it with `runstep runs watch run_abc123 --thread \
        thread_abc123`, or cancel it with `runstep runs cancel run_abc123 --thread thread_abc123`";
    assert!(finished.stderr.contains(commands), "{finished}");
    assert_eq!(server.get("/threads/thread_abc123/runs/run_abc123")["status"], "in_progress");
    let watch = ["runs", "watch", "run_abc123", "--thread", "thread_abc123", "--deadline", "0s"];
    let finished = server.runstep(&watch).run();
    assert_eq!(finished.code, Some(15), "{finished}");
    assert!(finished.stderr.contains(commands), "{finished}");
}

#[test]
fn a_deadline_before_any_response_does_not_say_that_the_run_continues() {
    let server = TestServer::from_router(Router::new().fallback(std::future::pending::<()>));
    let finished = server.runstep(&[&ASK[..], &["--deadline", "10ms"]].concat()).run();
    assert_eq!(finished.code, Some(15), "{finished}");
    assert!(finished.stderr.contains("if a run was created, it continues"), "{finished}");
    assert!(!finished.stderr.contains("the run continues"), "{finished}");
}

#[test]
fn errors_of_the_provider_have_codes() {
    let server = TestServer::with_turns([]);
    let show = ["runs", "show", "run_abc123", "--thread", "thread_abc123"];
    insta::assert_snapshot!(server.runstep(&show).run());

    let with_key = TestServer::from_builder(Server::builder().api_keys(["right"]));
    let finished = with_key.runstep(&show).env("RUNSTEP_API_KEY", "wrong-key").run();
    assert!(!finished.to_string().contains("wrong-key"), "{finished}");
    insta::assert_snapshot!(finished);

    let faults = Faults::new([Fault::rate_limit(Duration::ZERO).times(100)]);
    let limited = TestServer::from_builder(Server::builder().faults(faults));
    assert_eq!(limited.runstep(&show).run().code, Some(6));

    let invalid = Router::new().fallback(async || "This is not JSON.");
    assert_eq!(TestServer::from_router(invalid).runstep(&show).run().code, Some(7));
}

#[test]
fn a_server_that_is_not_reachable_has_a_code() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let finished = Program::new(&["assistants", "list"]).env("RUNSTEP_BASE_URL", &url).run();
    assert_eq!(finished.code, Some(5), "{finished}");
    assert!(finished.stderr.contains("help: check the base URL"), "{finished}");
}

#[test]
fn invalid_arguments_have_a_code() {
    for arguments in [
        &["assistants", "list"][..],
        &["unknown"],
        &["assistants", "list", "--base-url", "ftp://x"],
        &["assistants", "list", "--base-url", "http://example.com/v1"],
        &[
            "assistants",
            "list",
            "--base-url",
            "http://127.0.0.1:1",
            "--api-key-env",
            "RUNSTEP_NONE",
        ],
        &["assistants", "list", "--base-url", "http://127.0.0.1:1", "--api-key-file", "/none/key"],
        &["assistants", "list", "--base-url", "http://127.0.0.1:1", "--header", "nothing"],
        &["assistants", "apply", "/none.toml", "--base-url", "http://127.0.0.1:1"],
    ] {
        let finished = Program::new(arguments).run();
        assert_eq!(finished.code, Some(2), "{arguments:?} {finished}");
        assert!(finished.stdout.is_empty(), "{finished}");
    }
}

/// The README lists all codes, with what they mean.
#[test]
fn the_readme_has_the_table_of_codes() {
    let readme = include_str!("../../README.md");
    let listed: Vec<u8> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next()?.parse().ok())
        .collect();
    assert_eq!(listed, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 130, 141]);
}
