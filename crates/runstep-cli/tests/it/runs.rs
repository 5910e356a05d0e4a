//! `runstep runs`.

use axum::Router;
use axum::http::Uri;
use runstep_server::model::Turn;
use serde_json::{Value, json};

use crate::harness::TestServer;

const ASK: [&str; 4] = ["ask", "Hello", "--assistant", "asst_abc123"];
const RUN: [&str; 3] = ["run_abc123", "--thread", "thread_abc123"];

/// A server with a run that waits for the output of a call.
fn with_waiting_run() -> TestServer {
    let server = TestServer::with_turns([
        Turn::call("weather", json!({ "city": "Paris" })).usage(20, 5),
        Turn::text("It is sunny.\nEnjoy!").usage(30, 6),
    ]);
    server.weather_assistant();
    server.runstep(&ASK).run();
    server
}

#[test]
fn runs_of_a_thread_are_listed() {
    let server = with_waiting_run();
    let list = ["runs", "list", "--thread", "thread_abc123"];
    insta::assert_snapshot!(server.runstep(&list).ok());
    let lines = server.runstep(&[&list[..], &["--json"]].concat()).ok();
    let run: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!(run, server.get("/threads/thread_abc123/runs/run_abc123"));
    let waiting = [&list[..], &["--status", "failed,requires_action", "--json"]].concat();
    assert_eq!(server.runstep(&waiting).ok(), lines);
    let completed = [&list[..], &["--status", "completed"]].concat();
    let finished = server.runstep(&completed).run();
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("", "no runs\n"));
}

#[test]
fn pages_are_followed_up_to_the_limit() {
    let server = TestServer::with_turns((0..5).map(|_| Turn::text("Hello.")));
    server.assistant(json!([]));
    server.runstep(&ASK).ok();
    for _ in 0..4 {
        server.runstep(&[&ASK[..], &["--thread", "thread_abc123"]].concat()).ok();
    }
    let count = |arguments: &[&str]| {
        let list = ["runs", "list", "--thread", "thread_abc123", "--json"];
        server.runstep(&[&list[..], arguments].concat()).ok().lines().count()
    };
    assert_eq!(count(&["--limit", "2"]), 2);
    assert_eq!(count(&["--all"]), 5);
}

#[test]
fn limits_are_at_least_one() {
    let server = TestServer::from_router(Router::new());
    for (command, limit) in [("runs", "0"), ("assistants", "0"), ("runs", "-1"), ("runs", "all")] {
        let finished = server.runstep(&[command, "list", &format!("--limit={limit}")]).run();
        assert_eq!(finished.code, Some(2), "{finished}");
        let reason = format!("'{limit}' for '--limit <N>': expected a whole number of at least 1");
        assert!(finished.stderr.contains(&reason), "{finished}");
    }
}

#[test]
fn runs_of_all_threads_need_a_provider_that_lists_them() {
    let server = TestServer::from_router(Router::new());
    insta::assert_snapshot!(server.runstep(&["runs", "list"]).run());
}

#[test]
fn runs_of_all_threads_are_listed_page_by_page() {
    let run = |id: &str, status: &str| {
        json!({ "id": id, "object": "thread.run", "thread_id": "thread_1", "status": status,
            "created_at": 1_800_000_000, "assistant_id": "asst_1" })
    };
    let router = Router::new().route(
        "/v1/runs",
        axum::routing::get(move |uri: Uri| async move {
            // This provider ignores the filter.
            let (data, last_id, has_more) = match uri.query().unwrap() {
                "limit=20&status=failed" => {
                    (vec![run("run_3", "failed"), run("run_2", "completed")], json!("run_2"), true)
                }
                // A page can be empty although runs follow.
                "limit=20&status=failed&after=run_2" => (vec![], json!("run_1b"), true),
                "limit=20&status=failed&after=run_1b" => {
                    (vec![run("run_1", "failed")], json!(null), false)
                }
                other => panic!("unexpected query {other}"),
            };
            axum::Json(
                json!({ "object": "list", "data": data, "last_id": last_id, "has_more": has_more }),
            )
        }),
    );
    let server = TestServer::from_router(router);
    insta::assert_snapshot!(server.runstep(&["runs", "list", "--status", "failed"]).ok());
}

#[test]
fn a_run_is_shown() {
    let server = with_waiting_run();
    let show = [&["runs", "show"], &RUN[..]].concat();
    insta::assert_snapshot!(server.runstep(&show).ok());
    let json = server.runstep(&[&show[..], &["--json"]].concat()).ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, server.get("/threads/thread_abc123/runs/run_abc123"));
}

#[test]
fn outputs_are_submitted_and_the_run_is_followed() {
    let server = with_waiting_run();
    let submit = [&["runs", "submit"], &RUN[..]].concat();
    let refused = server.runstep(&submit).run();
    insta::assert_snapshot!("submit_without_outputs", refused);
    let outputs = [&submit[..], &["--output", "call_abc123=18 degrees=mild", "--wait"]].concat();
    insta::assert_snapshot!("submit_and_wait", server.runstep(&outputs).run());
    let again = server.runstep(&submit).run();
    assert_eq!(again.code, Some(2), "{again}");
    assert!(again.stderr.contains("run_abc123 is completed"), "{again}");
}

#[test]
fn an_output_comes_from_a_file() {
    let server = with_waiting_run();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("output.txt");
    std::fs::write(&file, "18 degrees").unwrap();
    let output = format!("call_abc123={}", file.display());
    let submit = [&["runs", "submit"], &RUN[..], &["--output-file", &output]].concat();
    let stdout = server.runstep(&submit).ok();
    assert!(stdout.contains("queued"), "{stdout}");
}

#[test]
fn a_run_is_watched_to_its_end() {
    let server = with_waiting_run();
    let watch = [&["runs", "watch"], &RUN[..]].concat();
    insta::assert_snapshot!("watch_waiting", server.runstep(&watch).run());
    let events = server.runstep(&[&watch[..], &["--json"]].concat()).run();
    let events: Vec<Value> =
        events.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = events.last().unwrap();
    assert_eq!(last["event"], "thread.run.requires_action");
    assert_eq!(last["data"]["id"], "run_abc123");
}

#[test]
fn a_run_is_cancelled() {
    let server = with_waiting_run();
    let cancel = [&["runs", "cancel"], &RUN[..], &["--wait"]].concat();
    insta::assert_snapshot!(server.runstep(&cancel).ok());
    let again = server.runstep(&cancel).run();
    assert_eq!(again.code, Some(1), "{again}");
}
