//! Unknown paths, methods and ids.

use axum::body::Body;
use axum::http::Method;
use runstep_server::model::Offline;

use crate::harness::Fixture;

async fn fixture() -> Fixture {
    Fixture::with_model(Offline::new(), &["weather"]).await
}

#[tokio::test(start_paused = true)]
async fn unknown_path_error_contains_the_path() {
    let fixture = fixture().await;
    let thread = &fixture.thread;
    let paths = [
        "/".to_owned(),
        "/v1".to_owned(),
        "/v1/".to_owned(),
        "/nothing".to_owned(),
        "/v1/nothing".to_owned(),
        "/v2/threads".to_owned(),
        "/v1/v1/threads".to_owned(),
        "/v1/healthz".to_owned(),
        "/openai".to_owned(),
        "/openai/metrics".to_owned(),
        "/openai/deployments/threads".to_owned(),
        "/openai/threads/".to_owned(),
        "/api/projects/threads".to_owned(),
        "/api/projects/p/threads/x/nothing".to_owned(),
        "/threads/".to_owned(),
        format!("/threads/{thread}/"),
        format!("/threads/{thread}/runs/"),
        format!("/threads/{thread}/runs/run_x/nothing"),
        format!("/threads/{thread}/../{thread}"),
    ];
    for path in paths {
        let error = fixture.client.get(&path).await.expect_error(404);
        assert_eq!(error["message"], format!("Invalid URL (GET {path})."));
        assert_eq!(error["code"], "unknown_url");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_method_error_lists_allowed_methods() {
    let fixture = fixture().await;
    let run = format!("/threads/{}/runs/run_x", fixture.thread);
    let cases = [
        (Method::DELETE, "/assistants".to_owned(), "GET,HEAD,POST"),
        (Method::PUT, "/threads".to_owned(), "POST,GET,HEAD"),
        (Method::PUT, "/threads/runs".to_owned(), "GET,HEAD,POST,DELETE"),
        (Method::DELETE, run.clone(), "GET,HEAD,POST"),
        (Method::PATCH, format!("/v1{}", fixture.thread_path()), "GET,HEAD,POST,DELETE"),
        (Method::PUT, fixture.runs_path(), "GET,HEAD,POST"),
        (Method::GET, format!("{run}/cancel"), "POST"),
        (Method::POST, format!("{run}/steps"), "GET,HEAD"),
        (Method::OPTIONS, run.clone(), "GET,HEAD,POST"),
        (Method::from_bytes(b"BREW").unwrap(), run, "GET,HEAD,POST"),
    ];
    for (method, path, allowed) in cases {
        let response = fixture.client.request(method.clone(), &path, Body::empty()).await;
        assert_eq!(response.header("allow"), Some(allowed), "{method} {path}");
        let error = response.expect_error(405);
        assert_eq!(error["message"], format!("Not allowed to {method} on {path}."));
        assert_eq!(error["code"], "method_not_allowed");
    }
}

#[tokio::test(start_paused = true)]
async fn unusual_ids_are_decoded_and_not_found() {
    let fixture = fixture().await;
    let long = "x".repeat(10_000);
    let ids = [
        ("%2F", "/"),
        ("..", ".."),
        ("%2E%2E%2F..", "../.."),
        ("%00", "\0"),
        ("%C3%BC%F0%9F%8E%89", "ü🎉"),
        ("%22%27%3Cb%3E", "\"'<b>"),
        ("run_%25", "run_%"),
        ("%0D%0Ax-evil:%201", "\r\nx-evil: 1"),
        ("a+b%20c", "a+b c"),
        ("%", "%"),
        ("%zz", "%zz"),
        (&long, &long),
    ];
    for (encoded, id) in ids {
        for (path, kind) in [
            (format!("/assistants/{encoded}"), "assistant"),
            (format!("/threads/{encoded}"), "thread"),
            (format!("/v1/threads/{encoded}/messages"), "thread"),
            (format!("/threads/{}/runs/{encoded}", fixture.thread), "run"),
            (format!("/threads/{}/runs/{encoded}/steps/x", fixture.thread), "run"),
        ] {
            fixture.client.get(&path).await.expect_not_found(kind, id);
        }
        let path = format!("/threads/{}/runs/{encoded}/cancel", fixture.thread);
        fixture.client.post_raw(&path, "").await.expect_error(404);
    }
}

#[tokio::test(start_paused = true)]
async fn ids_that_are_not_utf8_are_rejected() {
    let fixture = fixture().await;
    for path in ["/threads/%FF", "/v1/assistants/%C3", "/threads/x/runs/%80/steps/y"] {
        let error = fixture.client.get(path).await.expect_error(400);
        assert_eq!(error["type"], "invalid_request_error");
    }
}
