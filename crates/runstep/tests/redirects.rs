//! Redirects: only what leaves the request as it is, and the key where it is, is followed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use runstep::types::Run;
use runstep::{Client, Error, ErrorKind, Result};
use support::{KEY, Recorder, example, reply};

async fn retrieve(client: &Client) -> Result<Run> {
    client.runs("thread_abc123").retrieve("run_abc123").await
}

async fn error_of(server: &Recorder) -> Error {
    retrieve(&server.client()).await.unwrap_err()
}

#[tokio::test]
async fn the_key_does_not_follow_a_redirect_to_another_host() {
    for status in [301, 302, 303, 307, 308] {
        let other = Recorder::with_json(example("Run")).await;
        let location = format!("{}/runs", other.base_url());
        let server =
            Recorder::start(move |_| reply(status, &[("location", &location)], "moved")).await;
        let error = error_of(&server).await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(status)));
        assert!(error.message().contains("redirect"), "{error}");
        assert_eq!(error.body(), Some("moved"));
        let posted = server.client().threads().create_and_run("asst_1").await;
        assert_eq!(posted.unwrap_err().status(), Some(status));
        assert_eq!(other.seen().len(), 0, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_with_the_key() {
    let server = Recorder::start(|number| match number {
        0 => reply(307, &[("location", "/elsewhere")], ""),
        _ => support::json(&example("Run")),
    })
    .await;
    retrieve(&server.client()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[1].target, "/elsewhere");
    assert_eq!(seen[1].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

/// After these a POST would go on as a GET without a body, and a DELETE as a GET.
#[tokio::test]
async fn a_redirect_that_changes_the_request_is_not_followed() {
    for status in [301, 302, 303] {
        let server = Recorder::start(move |number| match number {
            0 => reply(status, &[("location", "/elsewhere")], ""),
            _ => support::json(&example("Run")),
        });
        let server = server.await;
        let error = server.client().runs("t").create("asst_1").await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(status)));
        assert!(error.message().contains("307"), "{error}");
        assert_eq!(server.count(), 1);
        let server = Recorder::with_reply(status, &[("location", "/elsewhere")], "").await;
        let error = server.client().threads().delete("t").await.unwrap_err();
        assert_eq!((error.status(), server.count()), (Some(status), 1));
    }
}

#[tokio::test]
async fn a_redirect_that_changes_nothing_takes_the_body_along() {
    for status in [307, 308] {
        let server = Recorder::start(move |number| match number {
            0 => reply(status, &[("location", "/elsewhere")], ""),
            _ => support::json(&example("Run")),
        });
        let server = server.await;
        server.client().runs("t").create("asst_1").await.unwrap();
        let seen = server.seen();
        assert_eq!((seen[1].method.as_str(), &seen[1].body), ("POST", &seen[0].body));
    }
}

#[tokio::test]
async fn a_redirect_in_a_circle_is_given_up() {
    let server = Recorder::start(|_| reply(307, &[("location", "/v1/round")], "")).await;
    let error = error_of(&server).await;
    assert_eq!(error.status(), Some(307));
    assert!(error.message().contains("in a circle"), "{error}");
    assert!(server.seen().len() < 10);
}
