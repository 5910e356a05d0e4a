//! Inputs that are too long, empty, or not valid.

use axum::Router;
use axum::http::StatusCode;

use crate::harness::{Program, TestServer};

/// A server that must not receive a request.
fn unused_server() -> TestServer {
    TestServer::from_router(
        Router::new().fallback(async || (StatusCode::IM_A_TEAPOT, "nothing should be sent")),
    )
}

#[track_caller]
fn assert_rejected(program: Program, reason: &str) {
    let finished = program.run();
    assert_eq!(finished.code, Some(2), "{finished}");
    assert!(finished.stderr.contains(reason), "{reason}: {finished}");
    assert!(!finished.stderr.contains("418"), "{finished}");
}

#[cfg(unix)]
#[test]
fn files_without_an_end_are_not_read_whole() {
    let server = unused_server();
    let run = ["run_1", "--thread", "t"];
    for (arguments, reason) in [
        (
            &["assistants", "list", "--api-key-file", "/dev/zero"][..],
            "cannot read /dev/zero: it is longer than 64 KiB",
        ),
        (&["assistants", "apply", "/dev/zero"], "it is longer than 4096 KiB"),
        (
            &["assistants", "create", "--model", "m", "--instructions-file", "/dev/zero"],
            "it is longer than 4096 KiB",
        ),
        (
            &[&["runs", "submit", "--output-file", "call_1=/dev/zero"], &run[..]].concat(),
            "it is longer than 4096 KiB",
        ),
        (&["api", "create-thread", "--body", "/dev/zero"], "it is longer than 65536 KiB"),
    ] {
        assert_rejected(server.runstep(arguments), reason);
    }
    let mut ask = server.runstep(&["ask", "-", "--assistant", "a"]).command();
    let output = ask.stdin(std::fs::File::open("/dev/zero").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot read standard input: it is longer than 1024 KiB"), "{stderr}");
}

#[test]
fn texts_of_other_encodings_are_rejected() {
    let server = unused_server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    let arguments = ["assistants", "list", "--api-key-file", file.to_str().unwrap()];
    assert_rejected(server.runstep(&arguments), "it is not a text in UTF-8");
}

#[test]
fn an_empty_question_is_not_sent() {
    let server = unused_server();
    for question in ["-", "", " \n"] {
        let ask = ["ask", question, "--assistant", "a"];
        assert_rejected(server.runstep(&ask).input(" \n"), "the question is empty");
    }
}

#[test]
fn a_body_that_is_not_an_object_is_named() {
    let server = unused_server();
    for (body, reason) in [
        ("[]", "--body is an array; expected a JSON object"),
        ("5", "--body is a number; expected a JSON object"),
        ("null", "--body is null; expected a JSON object"),
        ("\"a\"", "--body is a text; expected a JSON object"),
        ("", "--body is empty"),
        (" ", "--body is empty"),
        ("[1", "--body is not valid JSON"),
        ("{\"a\":1e400}", "--body is not valid JSON: number out of range"),
        ("none.json", "cannot read none.json"),
    ] {
        let create = ["api", "create-assistant", "--model", "m", "--body", body];
        assert_rejected(server.runstep(&create), reason);
    }
    let create = ["api", "create-thread", "--body", "-"];
    assert_rejected(server.runstep(&create).input("[]"), "the body is an array");
    assert_rejected(server.runstep(&create).input("\n"), "the body is empty");
}

#[test]
fn two_outputs_for_one_call_are_rejected() {
    let server = unused_server();
    let submit = ["runs", "submit", "run_1", "--thread", "t", "--output", "call_1=a"];
    for again in [["--output", "call_1=b"], ["--output-file", "call_1=/none"]] {
        let program = server.runstep(&[&submit[..], &again].concat());
        assert_rejected(program, "the call call_1 has more than one output");
    }
}

#[test]
fn time_limits_of_nothing_are_rejected() {
    let server = unused_server();
    for arguments in [
        &["assistants", "list", "--timeout", "0"][..],
        &["assistants", "list", "--timeout", "1us"],
        &["ask", "Hi", "--assistant", "a", "--tool-timeout", "0s"],
    ] {
        assert_rejected(server.runstep(arguments), "expected a duration of at least 1ms");
    }
}

#[test]
fn errors_name_options_of_the_program() {
    let list = ["assistants", "list"];
    let with_url = |url: &str| Program::new(&list).env("RUNSTEP_BASE_URL", url);
    assert_rejected(with_url("http://127.0.0.1:1/v1?a=b"), "with `--query NAME=VALUE`");
    assert_rejected(with_url("http://example.com/v1"), "allow it with `--allow-plain-http`");
    assert_rejected(with_url("http://user:pass@127.0.0.1:1"), "`--api-key-env` or");
    let server = unused_server();
    let name = "x".repeat(300);
    let create = ["assistants", "create", "--model", "m", "--name", &name];
    let finished = server.runstep(&create).run();
    assert_eq!(finished.code, Some(2), "{finished}");
    assert!(finished.stderr.contains("nothing was sent"), "{finished}");
    assert!(!finished.stderr.contains("check_limits"), "{finished}");
}
