//! `runstep doctor`: what a report says about providers of all kinds.

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use runstep_server::Server;
use runstep_server::model::Turn;
use serde_json::{Value, json};

use crate::harness::TestServer;

fn report(server: &TestServer, arguments: &[&str]) -> Value {
    let program = server.runstep(&[&["doctor", "--json"], arguments].concat());
    serde_json::from_str(&program.run().stdout).unwrap()
}

/// Returns the ids of the operations with this result.
fn operations(report: &Value, presence: &str) -> Vec<String> {
    let operations = report["operations"].as_array().unwrap().iter();
    let with = operations.filter(|operation| operation["presence"] == presence);
    with.map(|operation| operation["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_complete_server_has_all_operations_and_no_deviations() {
    let server = TestServer::with_turns([]);
    let report = report(&server, &[]);
    assert_eq!(operations(&report, "present").len(), 22, "{report:#}");
    assert_eq!(operations(&report, "not_tested"), ["createThread"]);
    assert_eq!(report["deviations"], json!([]));
    assert_eq!(report["authentication"], "accepted");
    // Nothing was created.
    assert_eq!(server.get("/assistants")["data"], json!([]));
}

#[test]
fn a_run_is_executed_and_everything_is_deleted() {
    let server = TestServer::with_turns([
        Turn::call("get_weather", json!({ "city": "Paris" })),
        Turn::text("It is sunny in Paris."),
    ]);
    let report = report(&server, &["--model", "test"]);
    assert_eq!(operations(&report, "present").len(), 23, "{report:#}");
    let steps = report["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["is_success"] == true), "{steps:#?}");
    assert_eq!(report["deviations"], json!([]));
    assert_eq!(server.get("/assistants")["data"], json!([]));
}

#[test]
fn a_thread_is_compared_with_the_specification() {
    let server = TestServer::with_turns([Turn::text("Hello.")]);
    server.assistant(json!([]));
    server.runstep(&["ask", "Hi", "--assistant", "asst_abc123"]).ok();
    let report = report(&server, &["--thread", "thread_abc123"]);
    let names: Vec<&Value> =
        report["steps"].as_array().unwrap().iter().map(|step| &step["name"]).collect();
    assert_eq!(
        names,
        ["retrieveThread", "listMessages", "listRuns", "retrieveRun", "listRunSteps"]
    );
}

#[test]
fn a_rejected_key_is_reported_without_the_key() {
    let server = TestServer::from_builder(Server::builder().api_keys(["right"]));
    let finished = server.runstep(&["doctor"]).env("RUNSTEP_API_KEY", "wrong-key").run();
    assert_eq!(finished.code, Some(3), "{finished}");
    assert!(finished.stdout.contains("authentication: rejected"), "{finished}");
    assert!(!finished.to_string().contains("wrong-key"), "{finished}");
}

/// A provider without steps and cancelling, that omits properties and sends errors of its own.
#[test]
fn missing_operations_and_deviations_are_listed() {
    let router = Router::new().fallback(async |method: Method, uri: Uri| {
        let path = uri.path().strip_prefix("/v1").unwrap();
        let error = |status: StatusCode, message: String| {
            (status, axum::Json(json!({ "error": { "message": message } }))).into_response()
        };
        match (method.as_str(), path) {
            ("GET", "/assistants") => {
                let list = json!({ "object": "list", "data": [{ "id": "asst_1", "name": 3 }],
                    "has_more": false });
                axum::Json(list).into_response()
            }
            (_, path) if path.contains("/steps") || path.ends_with("/cancel") => {
                error(StatusCode::NOT_FOUND, format!("Invalid URL ({method} {path})"))
            }
            (_, path) if path.contains("_runstepdoctor") => {
                error(StatusCode::NOT_FOUND, "No such object".to_owned())
            }
            (_, "/runstep-doctor") => {
                error(StatusCode::NOT_FOUND, format!("Invalid URL ({method} {path})"))
            }
            _ => (StatusCode::BAD_REQUEST, "<html>bad request</html>").into_response(),
        }
    });
    let server = TestServer::from_router(router);
    let report = report(&server, &[]);
    assert_eq!(operations(&report, "missing"), ["cancelRun", "listRunSteps", "retrieveRunStep"]);
    let deviations = report["deviations"].to_string();
    assert!(deviations.contains("`/data/0`"), "{deviations}");
    assert!(deviations.contains("the body of an error is not JSON"), "{deviations}");
    // The values of objects are not part of a report.
    assert!(!deviations.contains("asst_1"), "{deviations}");
}

#[test]
fn a_provider_that_cannot_be_reached_is_an_error() {
    let finished = crate::harness::Program::new(&["doctor", "--base-url", "http://127.0.0.1:1/v1"]);
    assert_eq!(finished.run().code, Some(5));
}

/// Returns the report about a provider with the same response to every request.
fn report_about(
    status: StatusCode,
    content_type: &'static str,
    body: &'static str,
) -> (Option<i32>, Value) {
    let response = async move || (status, [("content-type", content_type)], body);
    let server = TestServer::from_router(Router::new().fallback(response));
    let finished = server.runstep(&["doctor", "--json", "--thread", "t", "--model", "m"]).run();
    (finished.code, serde_json::from_str(&finished.stdout).unwrap())
}

#[test]
fn a_server_that_is_not_a_provider_is_not_certified() {
    let (html, json) = ("text/html; charset=utf-8", "application/json");
    for (status, content_type, body) in [
        (StatusCode::OK, html, "<html>Welcome!</html>"),
        (StatusCode::OK, json, r#"{"ok": true}"#),
        (StatusCode::OK, json, "[]"),
        (StatusCode::OK, json, r#"{"object": "list", "data": []}"#),
        (StatusCode::BAD_REQUEST, html, "<html>Bad request</html>"),
        (StatusCode::NOT_FOUND, html, "<html>Not found</html>"),
        (StatusCode::BAD_GATEWAY, html, "<html>Bad gateway</html>"),
    ] {
        let (code, report) = report_about(status, content_type, body);
        assert_eq!(code, Some(7), "{status} {body} {report:#}");
        assert_eq!(report["authentication"], "unknown", "{status} {body} {report:#}");
        assert_eq!(operations(&report, "present"), Vec::<String>::new(), "{report:#}");
        let steps = report["steps"].as_array().unwrap().iter();
        let good = steps.filter(|step| step["is_success"] == true).count();
        assert!(body.contains("data") || good == 0, "{status} {body} {report:#}");
    }
    let (_, report) = report_about(StatusCode::OK, html, "<html>Welcome!</html>");
    let deviations = report["deviations"].to_string();
    assert!(deviations.contains("the body is not JSON (text/html; charset=utf-8)"), "{report:#}");
}

#[test]
fn json_of_another_content_type_is_a_deviation() {
    let (_, report) = report_about(StatusCode::OK, "text/plain", r#"{"id": "x", "object": "y"}"#);
    let deviation = "the content type is text/plain; expected application/json";
    assert!(report["deviations"].to_string().contains(deviation), "{report:#}");
}
