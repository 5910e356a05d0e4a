//! The deadline of a poll.

use std::error::Error as _;

use super::*;

#[tokio::test]
async fn deadline_error_contains_last_run() {
    let server = server_with_statuses(&["queued", "frozen"]).await;
    let result = poll(&server).interval(MILLISECOND).deadline(SHORT_DEADLINE).await;
    let error = assert_deadline(result, Some("frozen"));
    assert_eq!(
        error.to_string(),
        "the run neither ended nor required action before the deadline; poll it again, or set a later deadline (run run_abc123 is frozen)"
    );
    assert!(server.requests().len() > 2);
}

#[tokio::test]
async fn delay_is_cut_short_at_deadline() {
    let server = server_with_statuses(&["in_progress"]).await;
    let result = poll(&server).interval(HOUR).deadline(SHORT_DEADLINE).await;
    assert_deadline(result, Some("in_progress"));
    assert_eq!(server.requests().len(), 2, "one request at first, and one at the deadline");
}

#[tokio::test]
async fn hanging_poll_request_ends_at_deadline() {
    let server = RecordingServer::start(|_| hanging_response()).await;
    let result = poll(&server).deadline(SHORT_DEADLINE).await;
    assert_deadline(result, None);
}

#[tokio::test]
async fn hanging_later_request_keeps_last_run() {
    let server = RecordingServer::start(|number| match number {
        0 => json_response(&run_with_status("queued")),
        _ => hanging_response(),
    })
    .await;
    let result = poll(&server).interval(MILLISECOND).deadline(SHORT_DEADLINE).await;
    assert_deadline(result, Some("queued"));
}

#[tokio::test]
async fn maximum_durations_do_not_overflow() {
    let server = server_with_statuses(&["queued", "completed"]).await;
    let run = poll(&server).deadline(Duration::MAX).interval(MILLISECOND).await.unwrap();
    assert_eq!(run.status, "completed");
    let server = server_with_statuses(&["queued"]).await;
    let result = poll(&server).deadline(SHORT_DEADLINE).interval(Duration::MAX).await;
    assert_deadline(result, Some("queued"));
}

#[tokio::test]
async fn final_poll_at_deadline_finds_completed_run() {
    let server = server_with_statuses(&["in_progress", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(HOUR).deadline(SHORT_DEADLINE)).await;
    assert_eq!(statuses, ["in_progress", "completed"]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(server.count(), 2);
}

/// A zero deadline still sends one request.
#[tokio::test]
async fn zero_deadline_polls_once() {
    let server = server_with_statuses(&["in_progress"]).await;
    let result = poll(&server).interval(MILLISECOND).deadline(Duration::ZERO).await;
    assert_deadline(result, Some("in_progress"));
    assert_eq!(server.count(), 1);
    let server = server_with_statuses(&["completed"]).await;
    let run = poll(&server).deadline(Duration::ZERO).await.unwrap();
    assert_eq!((run.status.as_str(), server.count()), ("completed", 1));
}

/// A reader that returns only after the deadline still gets the result of a final poll.
#[tokio::test]
async fn slow_reader_gets_final_poll() {
    let server = server_with_statuses(&["in_progress", "completed"]).await;
    let mut updates = poll(&server).interval(MILLISECOND).deadline(HOUR).watch();
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "in_progress");
    advance_time(2 * HOUR).await;
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "completed");
    assert!(updates.try_next().await.unwrap().is_none());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn deadline_starts_at_first_read_of_stream() {
    let server = server_with_statuses(&["queued", "completed"]).await;
    let mut updates = poll(&server).interval(MILLISECOND).deadline(HOUR).watch();
    advance_time(2 * HOUR).await;
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "queued");
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "completed");
}

#[tokio::test]
async fn deadline_error_has_last_poll_error_as_source() {
    let server = server_with_polls(&[Status("in_progress"), HttpError(503)]).await;
    let policy = PollErrorPolicy::default().max_consecutive_errors(u32::MAX);
    let result =
        poll(&server).interval(MILLISECOND).deadline(SHORT_DEADLINE).error_policy(policy).await;
    let error = assert_deadline(result, Some("in_progress"));
    let cause = error.source().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!((cause.status(), cause.message()), (Some(503), "scripted failure"));
    // No source if the last poll succeeded.
    let server = server_with_statuses(&["in_progress"]).await;
    let result = poll(&server).interval(MILLISECOND).deadline(SHORT_DEADLINE).await;
    assert!(assert_deadline(result, Some("in_progress")).source().is_none());
}

/// A tolerated failure of the final poll does not lead to another one.
#[tokio::test]
async fn tolerated_failures_do_not_extend_deadline() {
    let server = server_with_polls(&[Status("in_progress"), HttpError(500)]).await;
    let policy = PollErrorPolicy::default().max_consecutive_errors(u32::MAX);
    let poll = poll(&server).interval(HOUR).deadline(SHORT_DEADLINE);
    let (statuses, error) = updates(poll.error_policy(policy)).await;
    assert_eq!(statuses, ["in_progress"]);
    let error = error.unwrap();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
    assert_eq!(server.count(), 2);
}

/// Nor does a final poll that finds yet another status.
#[tokio::test]
async fn status_changes_do_not_extend_deadline() {
    let server = RecordingServer::start(|number| {
        json_response(&run_with_status(&format!("frozen_{number}")))
    })
    .await;
    let poll = poll(&server).interval(HOUR).deadline(SHORT_DEADLINE);
    let (statuses, error) = updates(poll).await;
    assert_eq!(statuses, ["frozen_0", "frozen_1"]);
    assert!(error.unwrap().is_deadline());
}
