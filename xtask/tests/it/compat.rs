//! Reports of the official clients' scripts, and the table of their results.

use xtask::compat::report::Report;
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
{"topic": "operations", "check": "a thread is created", "failure": null}
{"topic": "errors", "check": "an unknown thread is rejected", "failure": "it was accepted"}
"#;

const NODE: &str = r#"{"client": "openai 2.0.0", "runtime": "Node 22.0.0"}
{"method": "POST", "path": "/v1/threads", "status": 200}
{"method": "POST", "path": "/v1/threads/runs", "status": 200}
{"method": "GET", "path": "/v1/threads/thread_1", "status": 200}
{"method": "POST", "path": "/v1/threads/thread_1", "status": 200}
{"topic": "operations", "check": "a thread is created", "failure": null}
{"topic": "operations", "check": "a thread is listed", "failure": null}
{"topic": "errors", "check": "an unknown thread is rejected", "failure": null}
"#;

fn operations() -> Operations {
    Operations::parse(DOCUMENT).expect("the document has operations")
}

fn report(output: &str) -> Report {
    Report::parse(output, &operations()).expect("each line is a report")
}

#[test]
fn operation_is_found_by_method_and_path() {
    let operations = operations();
    let find = |method, path| operations.find(method, path);
    assert_eq!(find("POST", "/v1/threads/runs"), Some("createThreadAndRun"));
    assert_eq!(find("POST", "/threads/thread_1"), Some("updateThread"));
    assert_eq!(find("GET", "/v1/threads/thread_1"), Some("retrieveThread"));
    assert_eq!(find("GET", "/v1/threads"), None);
    assert_eq!(find("POST", "/v1/threads/thread_1/runs"), None);
    assert!(Operations::parse("paths: {}").is_none());
}

#[test]
fn table_shows_failed_and_missing_checks() {
    let table = Table::new(&operations(), &[report(PYTHON), report(NODE)]);
    assert_eq!((table.passed, table.failed), (11, 3));
    insta::assert_snapshot!(table.text);
}

#[test]
fn scripts_without_checks_fail() {
    let table = Table::new(&operations(), &[report(""), report("")]);
    assert_eq!((table.passed, table.failed), (0, 9));
}

#[test]
fn line_that_is_not_a_report_is_an_error() {
    let error = Report::parse("Traceback (most recent call last):", &operations());
    let error = error.expect_err("the line is not a report").to_string();
    assert_eq!(
        error,
        "the scripts printed a line that is not a report: Traceback (most recent call last):"
    );
}
