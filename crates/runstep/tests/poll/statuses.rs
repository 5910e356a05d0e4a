//! What a poll gives, and when it ends.

use super::*;

#[tokio::test]
async fn the_stream_gives_each_status_once() {
    let server =
        server_of(&["queued", "queued", "in_progress", "in_progress", "queued", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["queued", "in_progress", "queued", "completed"]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn each_look_retrieves_the_run() {
    let server = server_of(&["queued", "completed"]).await;
    poll(&server).interval(TINY).await.unwrap();
    for request in server.seen() {
        let target = "/v1/threads/thread_abc123/runs/run_abc123";
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", target));
    }
}

macro_rules! stops_at {
    ($($test:ident: $status:literal;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let server = server_of(&["in_progress", $status]).await;
                let run = poll(&server).interval(TINY).await.unwrap();
                assert_eq!(run.status, $status);
                assert_eq!(server.seen().len(), 2);
            }
        )+
    };
}

stops_at! {
    stops_when_action_is_required: "requires_action";
    stops_when_completed: "completed";
    stops_when_failed: "failed";
    stops_when_incomplete: "incomplete";
    stops_when_cancelled: "cancelled";
    stops_when_expired: "expired";
}

#[tokio::test]
async fn goes_on_while_the_run_is_being_cancelled() {
    let server = server_of(&["cancelling", "cancelled"]).await;
    let (statuses, _) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["cancelling", "cancelled"]);
}

#[tokio::test]
async fn goes_on_through_a_status_that_nobody_knows() {
    let server = server_of(&["frozen", "frozen", "thawing", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["frozen", "thawing", "completed"]);
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn the_first_look_comes_before_any_pause() {
    let server = server_of(&["completed"]).await;
    let run = tokio::time::timeout(HOUR / 60, poll(&server).interval(HOUR)).await;
    assert_eq!(run.unwrap().unwrap().status, "completed");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_before_the_poll_is_awaited() {
    let server = server_of(&["completed"]).await;
    let stream = poll(&server).into_stream();
    tokio::time::sleep(TINY).await;
    assert_eq!(server.seen().len(), 0);
    drop(stream);
}

#[tokio::test]
async fn an_error_reply_ends_the_stream_with_that_error() {
    let server = Recorder::start(|number| match number {
        0 => json(&run("queued")),
        _ => reply(404, &[("x-request-id", "req_9")], r#"{"error": {"message": "Oh no"}}"#),
    })
    .await;
    let (statuses, error) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["queued"]);
    let error = error.unwrap();
    assert_eq!((error.status(), error.message()), (Some(404), "Oh no"));
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("queued"));
    assert_eq!(error.request_id(), Some("req_9"));
    assert_eq!(server.seen().len(), 2);
}

/// A stream that is asked within a `select` and given up goes on where it was.
#[tokio::test]
async fn giving_up_one_next_loses_nothing() {
    let server = server_of(&["queued", "in_progress", "completed"]).await;
    let mut stream = poll(&server).interval(Duration::from_millis(3)).into_stream();
    let mut statuses = Vec::new();
    for _ in 0..5000 {
        match tokio::time::timeout(Duration::from_micros(200), stream.try_next()).await {
            Ok(Ok(Some(update))) => statuses.push(update.status.to_string()),
            Ok(ended) => {
                assert!(ended.unwrap().is_none());
                break;
            }
            Err(_) => {}
        }
    }
    assert_eq!(statuses, ["queued", "in_progress", "completed"]);
    assert_eq!(server.count(), 3);
}
