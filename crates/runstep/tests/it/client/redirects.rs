//! Redirects: followed only if the request stays unchanged and the host stays the same.

use runstep::ErrorKind;

use crate::harness::{
    API_KEY, RecordingServer, example, http_response, json_response, retrieve_error, retrieve_run,
};

#[tokio::test]
async fn redirect_to_other_host_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let other = RecordingServer::with_json(example("Run")).await;
        let location = format!("{}/runs", other.base_url());
        let server = RecordingServer::start(move |_| {
            http_response(status, &[("location", &location)], "moved")
        })
        .await;
        let error = retrieve_error(&server).await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(status)));
        assert!(error.message().contains("redirect"), "{error}");
        assert_eq!(error.body(), Some("moved"));
        let created = server.client().threads().create_and_run("asst_1").await;
        assert_eq!(created.unwrap_err().status(), Some(status));
        assert_eq!(other.requests().len(), 0, "{status}");
    }
}

#[tokio::test]
async fn redirect_on_same_host_is_followed_with_key() {
    let server = RecordingServer::start(|number| match number {
        0 => http_response(307, &[("location", "/elsewhere")], ""),
        _ => json_response(&example("Run")),
    })
    .await;
    retrieve_run(&server.client()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests[1].target, "/elsewhere");
    assert_eq!(requests[1].header("authorization"), Some(format!("Bearer {API_KEY}").as_str()));
}

/// After these statuses, a POST or DELETE would be repeated as a GET without a body.
#[tokio::test]
async fn redirect_that_changes_method_is_not_followed() {
    for status in [301, 302, 303] {
        let server = RecordingServer::start(move |number| match number {
            0 => http_response(status, &[("location", "/elsewhere")], ""),
            _ => json_response(&example("Run")),
        });
        let server = server.await;
        let error = server.client().runs("t").create("asst_1").await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(status)));
        assert!(error.message().contains("307"), "{error}");
        assert_eq!(server.count(), 1);
        let server =
            RecordingServer::with_response(status, &[("location", "/elsewhere")], "").await;
        let error = server.client().threads().delete("t").await.unwrap_err();
        assert_eq!((error.status(), server.count()), (Some(status), 1));
    }
}

#[tokio::test]
async fn redirect_that_keeps_method_sends_body_again() {
    for status in [307, 308] {
        let server = RecordingServer::start(move |number| match number {
            0 => http_response(status, &[("location", "/elsewhere")], ""),
            _ => json_response(&example("Run")),
        });
        let server = server.await;
        server.client().runs("t").create("asst_1").await.unwrap();
        let requests = server.requests();
        assert_eq!((requests[1].method.as_str(), &requests[1].body), ("POST", &requests[0].body));
    }
}

#[tokio::test]
async fn redirect_loop_is_an_error() {
    let server =
        RecordingServer::start(|_| http_response(307, &[("location", "/v1/round")], "")).await;
    let error = retrieve_error(&server).await;
    assert_eq!(error.status(), Some(307));
    assert!(error.message().contains("at most five times"), "{error}");
    assert!(server.requests().len() < 10);
}
