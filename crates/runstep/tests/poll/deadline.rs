//! A poll ends at its deadline.

use std::error::Error as _;

use super::*;

#[tokio::test]
async fn the_error_on_the_deadline_has_the_last_run() {
    let server = server_of(&["queued", "frozen"]).await;
    let result = poll(&server).interval(TINY).deadline(SOON).await;
    let error = assert_deadline(result, Some("frozen"));
    assert_eq!(
        error.to_string(),
        "the run neither ended nor asked for action before the deadline (run run_abc123 is frozen)"
    );
    assert!(server.seen().len() > 2);
}

#[tokio::test]
async fn a_pause_never_goes_past_the_deadline() {
    let server = server_of(&["in_progress"]).await;
    let result = poll(&server).interval(HOUR).deadline(SOON).await;
    assert_deadline(result, Some("in_progress"));
    assert_eq!(server.seen().len(), 2, "one at first, and one at the deadline");
}

#[tokio::test]
async fn a_look_that_hangs_ends_at_the_deadline() {
    let server = Recorder::start(|_| hanging()).await;
    let result = poll(&server).deadline(SOON).await;
    assert_deadline(result, None);
}

#[tokio::test]
async fn a_later_look_that_hangs_leaves_the_last_run() {
    let server = Recorder::start(|number| match number {
        0 => json(&run("queued")),
        _ => hanging(),
    })
    .await;
    let result = poll(&server).interval(TINY).deadline(SOON).await;
    assert_deadline(result, Some("queued"));
}

#[tokio::test]
async fn the_longest_times_are_no_fault() {
    let server = server_of(&["queued", "completed"]).await;
    let run = poll(&server).deadline(Duration::MAX).interval(TINY).await.unwrap();
    assert_eq!(run.status, "completed");
    let server = server_of(&["queued"]).await;
    let late = poll(&server).deadline(SOON).interval(Duration::MAX).await;
    assert_deadline(late, Some("queued"));
}

#[tokio::test]
async fn a_look_at_the_deadline_sees_a_run_that_has_just_ended() {
    let server = server_of(&["in_progress", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(HOUR).deadline(SOON)).await;
    assert_eq!(statuses, ["in_progress", "completed"]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(server.count(), 2);
}

/// A deadline of nothing at all still looks once.
#[tokio::test]
async fn no_time_at_all_is_time_for_one_look() {
    let server = server_of(&["in_progress"]).await;
    let late = poll(&server).interval(TINY).deadline(Duration::ZERO).await;
    assert_deadline(late, Some("in_progress"));
    assert_eq!(server.count(), 1);
    let server = server_of(&["completed"]).await;
    let run = poll(&server).deadline(Duration::ZERO).await.unwrap();
    assert_eq!((run.status.as_str(), server.count()), ("completed", 1));
}

/// Somebody who comes back after the deadline only still sees what the run has become.
#[tokio::test]
async fn a_slow_reader_gets_the_last_look_too() {
    let server = server_of(&["in_progress", "completed"]).await;
    let mut updates = poll(&server).interval(TINY).deadline(HOUR).into_stream();
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "in_progress");
    later(2 * HOUR).await;
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "completed");
    assert!(updates.try_next().await.unwrap().is_none());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn the_deadline_counts_from_when_the_stream_is_first_asked() {
    let server = server_of(&["queued", "completed"]).await;
    let mut updates = poll(&server).interval(TINY).deadline(HOUR).into_stream();
    later(2 * HOUR).await;
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "queued");
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "completed");
}

#[tokio::test]
async fn the_error_on_the_deadline_tells_the_failure_before_it() {
    let server = looks(&[Run("in_progress"), Fails(503)]).await;
    let policy = PollErrorPolicy::default().in_a_row(u32::MAX);
    let late = poll(&server).interval(TINY).deadline(SOON).error_policy(policy).await;
    let error = assert_deadline(late, Some("in_progress"));
    let cause = error.source().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!((cause.status(), cause.message()), (Some(503), "Oh no"));
    // After looks that worked there is none.
    let server = server_of(&["in_progress"]).await;
    let late = poll(&server).interval(TINY).deadline(SOON).await;
    assert!(assert_deadline(late, Some("in_progress")).source().is_none());
}

/// The deadline holds although the last look failed and that is tolerated, for ever if need be.
#[tokio::test]
async fn failures_do_not_carry_a_poll_beyond_its_deadline() {
    let server = looks(&[Run("in_progress"), Fails(500)]).await;
    let policy = PollErrorPolicy::default().in_a_row(u32::MAX);
    let poll = poll(&server).interval(HOUR).deadline(SOON);
    let (statuses, error) = updates(poll.error_policy(policy)).await;
    assert_eq!(statuses, ["in_progress"]);
    let error = error.unwrap();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
    assert_eq!(server.count(), 2);
}

/// The same for a status that is another one each time.
#[tokio::test]
async fn changes_do_not_carry_a_poll_beyond_its_deadline() {
    let server = Recorder::start(|number| json(&run(&format!("frozen_{number}")))).await;
    let poll = poll(&server).interval(HOUR).deadline(SOON);
    let (statuses, error) = updates(poll).await;
    assert_eq!(statuses, ["frozen_0", "frozen_1"]);
    assert!(error.unwrap().is_deadline());
}
