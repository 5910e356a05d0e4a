//! Reports of the clients' scripts, the table of their results, and the record of the results.

use std::fs;
use std::path::Path;

use xtask::compat::foreign::CLIENTS;
use xtask::compat::report::Report;
use xtask::compat::results::{ClientResult, Results};
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

const FOREIGN: &str = r#"{"client": "other 3.0.0", "runtime": "Python 3.11.0"}
{"topic": "other", "check": "run completes", "failure": null}
{"topic": "other", "check": "function is called", "failure": "it was not"}
"#;

#[test]
fn checks_of_foreign_clients_are_counted_on_their_own() {
    let mut table = Table::new(&operations(), &[report(NODE)]);
    let before = (table.passed, table.failed);
    table.add_foreign([&report(FOREIGN), &report("")].into_iter());
    // A program that reports nothing has failed.
    assert_eq!((table.passed, table.failed), (before.0 + 1, before.1 + 2));
    assert!(
        table.text.contains("other 3.0.0 on Python 3.11.0, other: function is called\nit was not")
    );
}

/// Results of all clients, which have the same checks.
fn results(client: &str) -> Results {
    let result = || {
        let report = report(&FOREIGN.replace("other 3.0.0", client));
        ClientResult::new(&report)
    };
    let foreign = CLIENTS.iter().map(|client| (client.folder.to_owned(), result()));
    Results { official: vec![result()], foreign: foreign.collect() }
}

#[test]
fn only_checks_that_have_passed_are_recorded() {
    let recorded = &results("other 3.0.0").official[0];
    assert_eq!((&*recorded.client, &*recorded.language), ("other 3.0.0", "Python"));
    assert_eq!(recorded.checks, [("other".to_owned(), "run completes".to_owned())]);
}

#[test]
fn record_must_have_the_results_of_a_run_and_the_page_those_of_the_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let (record, guide) = (folder.path().join("results.json"), folder.path().join("page.md"));
    let operations = operations();
    results("other 3.0.0").write(&record, &guide, &operations).expect("it is written");
    let recorded = Results::read(&record).expect("it is valid");
    let check = |run: &Results| match recorded.check(run, &guide, &operations) {
        Ok(()) => "up to date".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(check(&results("other 3.0.0")), "up to date");
    let mut some = results("other 3.0.0");
    some.foreign.retain(|folder, _| folder == "litellm");
    assert_eq!(check(&some), "up to date");
    let mut newer = results("other 3.0.1");
    newer.official = results("other 3.0.0").official;
    assert!(check(&newer).starts_with("the record of ag2 is not up to date; run `cargo xtask"));
    newer.official = results("other 3.0.1").official;
    assert!(check(&newer).starts_with("the record of the official clients is not up to date"));
    fs::write(&guide, "# Compatibility\n").expect("it is written");
    assert!(check(&some).contains("page.md is not up to date"));
    let mut incomplete = results("other 3.0.0");
    incomplete.foreign.remove("litellm");
    let error = incomplete.check(&some, &guide, &operations).expect_err("a client is missing");
    assert!(error.to_string().starts_with("the record of litellm is not up to date"));
    some.foreign.clear();
    let error = incomplete.check(&some, &guide, &operations).expect_err("a client is missing");
    assert!(error.to_string().starts_with("the list of foreign clients is not up to date"));
}

#[test]
fn page_is_generated_from_the_record() {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = xtask.parent().expect("the workspace");
    let operations = Operations::read(&root.join("openapi/runs.yaml")).expect("it is valid");
    let recorded = Results::read(&xtask.join("compat/results.json")).expect("it is valid");
    let page = fs::read_to_string(root.join("docs/compatibility.md")).expect("it exists");
    assert_eq!(recorded.markdown(&operations), page, "run `cargo xtask compat --all`");
    for client in CLIENTS.iter().filter(|client| client.pin.is_some()) {
        let package = &recorded.foreign[client.folder].client;
        assert!(page.contains(&format!("- `{package}` is pinned: ")), "{package}");
    }
}

#[test]
fn record_has_the_pinned_version_of_each_foreign_client() {
    let compat = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat");
    let recorded = Results::read(&compat.join("results.json")).expect("it is valid");
    for client in &CLIENTS {
        let folder = compat.join("foreign").join(client.folder);
        let pins = ["requirements.txt", "package.json", "Cargo.toml"]
            .map(|name| fs::read_to_string(folder.join(name)));
        let result = &recorded.foreign[client.folder];
        let (name, version) = result.client.split_once(' ').expect("a version");
        // The others use packages of other folders.
        for pinned in pins.into_iter().flatten() {
            let pin = [
                format!("{name}=={version}\n"),
                format!("\"{name}\": \"{version}\""),
                format!("{name} = {{ version = \"={version}\""),
            ];
            assert!(
                pin.iter().any(|pin| pinned.contains(pin)),
                "{}: {name} {version}",
                client.folder
            );
        }
    }
}
