//! The statuses that a poll reports, and those at which it stops.

use super::*;

#[tokio::test]
async fn stream_yields_each_status_change_once() {
    let server = server_with_statuses(&[
        "queued",
        "queued",
        "in_progress",
        "in_progress",
        "queued",
        "completed",
    ])
    .await;
    let (statuses, error) = updates(poll(&server).interval(MILLISECOND)).await;
    assert_eq!(statuses, ["queued", "in_progress", "queued", "completed"]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn poll_request_retrieves_the_run() {
    let server = server_with_statuses(&["queued", "completed"]).await;
    poll(&server).interval(MILLISECOND).await.unwrap();
    for request in server.requests() {
        let target = "/v1/threads/thread_abc123/runs/run_abc123";
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", target));
    }
}

macro_rules! stops_at {
    ($($test:ident: $status:literal;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let server = server_with_statuses(&["in_progress", $status]).await;
                let run = poll(&server).interval(MILLISECOND).await.unwrap();
                assert_eq!(run.status, $status);
                assert_eq!(server.requests().len(), 2);
            }
        )+
    };
}

stops_at! {
    stops_when_run_requires_action: "requires_action";
    stops_when_completed: "completed";
    stops_when_failed: "failed";
    stops_when_incomplete: "incomplete";
    stops_when_cancelled: "cancelled";
    stops_when_expired: "expired";
}

#[tokio::test]
async fn continues_while_run_is_cancelling() {
    let server = server_with_statuses(&["cancelling", "cancelled"]).await;
    let (statuses, _) = updates(poll(&server).interval(MILLISECOND)).await;
    assert_eq!(statuses, ["cancelling", "cancelled"]);
}

#[tokio::test]
async fn continues_through_unknown_statuses() {
    let server = server_with_statuses(&["frozen", "frozen", "thawing", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(MILLISECOND)).await;
    assert_eq!(statuses, ["frozen", "thawing", "completed"]);
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn first_request_is_sent_without_delay() {
    let server = server_with_statuses(&["completed"]).await;
    let run = tokio::time::timeout(HOUR / 60, poll(&server).interval(HOUR)).await;
    assert_eq!(run.unwrap().unwrap().status, "completed");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn no_request_is_sent_before_poll_is_awaited() {
    let server = server_with_statuses(&["completed"]).await;
    let stream = poll(&server).watch();
    tokio::time::sleep(MILLISECOND).await;
    assert_eq!(server.requests().len(), 0);
    drop(stream);
}

#[tokio::test]
async fn permanent_error_ends_stream_with_last_run() {
    let server = RecordingServer::start(|number| match number {
        0 => json_response(&run_with_status("queued")),
        _ => http_response(
            404,
            &[("x-request-id", "req_9")],
            r#"{"error": {"message": "scripted failure"}}"#,
        ),
    })
    .await;
    let (statuses, error) = updates(poll(&server).interval(MILLISECOND)).await;
    assert_eq!(statuses, ["queued"]);
    let error = error.unwrap();
    assert_eq!((error.status(), error.message()), (Some(404), "scripted failure"));
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("queued"));
    assert_eq!(error.request_id(), Some("req_9"));
    assert_eq!(server.requests().len(), 2);
}

/// `try_next` is cancel safe: it can be dropped within a `select` and called again.
#[tokio::test]
async fn dropping_try_next_loses_no_update() {
    let server = server_with_statuses(&["queued", "in_progress", "completed"]).await;
    let mut stream = poll(&server).interval(Duration::from_millis(3)).watch();
    let mut statuses = Vec::new();
    for _ in 0..5000 {
        match tokio::time::timeout(Duration::from_micros(200), stream.try_next()).await {
            Ok(Ok(Some(update))) => statuses.push(update.status.to_string()),
            Ok(last) => {
                assert!(last.unwrap().is_none());
                break;
            }
            Err(_) => {}
        }
    }
    assert_eq!(statuses, ["queued", "in_progress", "completed"]);
    assert_eq!(server.count(), 3);
}
