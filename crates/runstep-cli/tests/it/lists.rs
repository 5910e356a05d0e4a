//! Lists with entries that cannot be read, and lists that end early.

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::harness::TestServer;

/// Returns the good entry of a list with this number.
fn entry(path: &str, number: u64) -> Value {
    let id = format!("good_{number}");
    match path.rsplit('/').next().unwrap() {
        "assistants" => json!({ "id": id, "object": "assistant" }),
        "messages" => json!({ "id": id, "object": "thread.message", "role": "user",
            "content": [{ "type": "text", "text": { "value": id } }] }),
        "steps" => json!({ "id": id, "object": "thread.run.step", "status": "completed",
            "thread_id": "t", "run_id": "r", "assistant_id": "a",
            "type": "message_creation", "step_details": { "type": "message_creation",
            "message_creation": { "message_id": id } } }),
        _ => json!({ "id": id, "object": "thread.run", "thread_id": "t", "status": "completed" }),
    }
}

/// A provider whose lists have good entries around one that cannot be read. With `fails`, the lists have a
/// second page that fails.
fn server(fails: bool) -> TestServer {
    let router = Router::new().fallback(async move |uri: Uri| -> Response {
        let path = uri.path();
        let object = match path {
            "/v1/threads/t" => Some(json!({ "id": "t", "object": "thread" })),
            "/v1/threads/t/runs/r" => Some(entry("/runs", 0)),
            _ => None,
        };
        if let Some(object) = object {
            return axum::Json(object).into_response();
        }
        if uri.query().is_some_and(|query| query.contains("after=")) {
            let error = json!({ "error": { "message": "The second page is broken." } });
            return (StatusCode::BAD_REQUEST, axum::Json(error)).into_response();
        }
        let bad = json!({ "object": "bad", "status": 3 });
        let data = [entry(path, 1), bad, entry(path, 2)];
        axum::Json(
            json!({ "object": "list", "data": data, "last_id": "good_2", "has_more": fails }),
        )
        .into_response()
    });
    TestServer::from_router(router)
}

const LISTS: [&[&str]; 5] = [
    &["runs", "list", "--thread", "t"],
    &["runs", "list"],
    &["assistants", "list"],
    &["threads", "show", "t"],
    &["steps", "r", "--thread", "t"],
];

#[test]
fn an_entry_that_cannot_be_read_does_not_hide_the_others() {
    let server = server(false);
    for list in LISTS {
        for json in [&[][..], &["--json"]] {
            let finished = server.runstep(&[list, json].concat()).run();
            assert_eq!(finished.code, Some(7), "{list:?} {finished}");
            let is_table_of_steps = list[0] == "steps" && json.is_empty();
            let expected =
                if is_table_of_steps { ["message", "completed"] } else { ["good_1", "good_2"] };
            assert!(expected.iter().all(|id| finished.stdout.contains(id)), "{list:?} {finished}");
            let error = "error: the list is incomplete: entry 1 of the page cannot be decoded";
            assert!(finished.stderr.starts_with(error), "{list:?} {finished}");
            assert_eq!(finished.stderr.matches("entry 1").count(), 1, "{finished}");
        }
    }
}

#[test]
fn a_page_that_fails_does_not_hide_those_before_it() {
    let server = server(true);
    for list in LISTS {
        for json in [&[][..], &["--json"]] {
            let finished = server.runstep(&[list, json].concat()).run();
            assert_eq!(finished.code, Some(1), "{list:?} {finished}");
            assert!(!finished.stdout.is_empty(), "{list:?} {finished}");
            assert!(finished.stderr.contains("error: The second page is broken."), "{finished}");
            assert!(finished.stderr.contains("entry 1 of the page"), "{list:?} {finished}");
        }
    }
}

#[test]
fn an_export_has_everything_that_can_be_read() {
    let server = server(false);
    let finished = server.runstep(&["export", "t"]).run();
    assert_eq!(finished.code, Some(7), "{finished}");
    // The thread, two messages, and two runs with two steps each.
    assert_eq!(finished.stdout.lines().count(), 9, "{finished}");
    assert_eq!(finished.stderr.matches("entry 1 of the page").count(), 4, "{finished}");
    // A file is complete, or does not appear.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thread.jsonl");
    let export = ["export", "t", "--output", file.to_str().unwrap()];
    assert_eq!(server.runstep(&export).run().code, Some(7));
    assert!(!file.exists());
}

#[test]
fn a_list_of_errors_has_a_limit() {
    let router = Router::new().fallback(async || {
        let data = vec![json!({ "object": "bad" }); 50];
        axum::Json(json!({ "object": "list", "data": data, "has_more": false }))
    });
    let server = TestServer::from_router(router);
    let finished = server.runstep(&["assistants", "list"]).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(7), ""), "{finished}");
    assert!(finished.stderr.contains("and 42 more"), "{finished}");
    assert!(!finished.stderr.contains("no assistants"), "{finished}");
}

#[test]
fn a_response_that_is_not_a_list_is_an_error() {
    let server = TestServer::from_router(Router::new().fallback(async || axum::Json(json!({}))));
    let finished = server.runstep(&["runs", "list"]).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(7), ""), "{finished}");
    assert!(finished.stderr.contains("it has no `data`"), "{finished}");
}
