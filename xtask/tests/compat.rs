//! What the official clients' scripts report, and the table that is made of it.

#![allow(clippy::expect_used)]

use xtask::compat::outcome::Outcome;
use xtask::compat::table::Table;
use xtask::operations::Operations;

const DOCUMENT: &str = "
paths:
  /threads:
    post: {operationId: createThread}
  /threads/runs:
    post: {operationId: createThreadAndRun}
  /threads/{thread_id}:
    parameters: []
    get: {operationId: retrieveThread}
    post: {operationId: updateThread}
";

const PYTHON: &str = r#"{"client": "openai 1.0.0", "runtime": "Python 3.11.0"}
{"method": "POST", "path": "/v1/threads", "status": 200}
{"method": "POST", "path": "/v1/threads/runs", "status": 200}
{"method": "POST", "path": "/v1/threads/runs", "status": 200}
{"method": "GET", "path": "/v1/threads/thread_1", "status": 404}
{"method": "POST", "path": "/v1/threads/thread_1", "status": 200}
{"topic": "operations", "check": "a thread is made", "failure": null}
{"topic": "errors", "check": "a wrong thread is refused", "failure": "it was not"}
"#;

const NODE: &str = r#"{"client": "openai 2.0.0", "runtime": "Node 22.0.0"}
{"method": "POST", "path": "/v1/threads", "status": 200}
{"method": "POST", "path": "/v1/threads/runs", "status": 200}
{"method": "GET", "path": "/v1/threads/thread_1", "status": 200}
{"method": "POST", "path": "/v1/threads/thread_1", "status": 200}
{"topic": "operations", "check": "a thread is made", "failure": null}
{"topic": "operations", "check": "a thread is listed", "failure": null}
{"topic": "errors", "check": "a wrong thread is refused", "failure": null}
"#;

fn operations() -> Operations {
    Operations::of(DOCUMENT).expect("the document has operations")
}

fn outcome(printed: &str) -> Outcome {
    Outcome::read(printed, &operations()).expect("each line is a report")
}

#[test]
fn requests_are_told_apart_by_method_and_path() {
    let operations = operations();
    let asked = |method, path| operations.asked_for(method, path);
    assert_eq!(asked("POST", "/v1/threads/runs"), Some("createThreadAndRun"));
    assert_eq!(asked("POST", "/threads/thread_1"), Some("updateThread"));
    assert_eq!(asked("GET", "/v1/threads/thread_1"), Some("retrieveThread"));
    assert_eq!(asked("GET", "/v1/threads"), None);
    assert_eq!(asked("POST", "/v1/threads/thread_1/runs"), None);
    assert!(Operations::of("paths: {}").is_none());
}

#[test]
fn the_table_shows_what_failed_and_what_is_missing() {
    let table = Table::new(&operations(), &[outcome(PYTHON), outcome(NODE)]);
    assert_eq!((table.passed, table.failed), (11, 3));
    insta::assert_snapshot!(table.text);
}

#[test]
fn scripts_that_check_nothing_fail() {
    let table = Table::new(&operations(), &[outcome(""), outcome("")]);
    assert_eq!((table.passed, table.failed), (0, 9));
}

#[test]
fn what_is_no_report_is_an_error() {
    let error = Outcome::read("Traceback (most recent call last):", &operations());
    let error = error.expect_err("the line is no report").to_string();
    assert_eq!(
        error,
        "a line of the scripts' output is no report: Traceback (most recent call last):"
    );
}
