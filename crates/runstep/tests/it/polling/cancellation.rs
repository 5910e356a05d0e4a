//! Polls that cancel the run at the deadline or on drop.

use super::*;

#[tokio::test]
async fn run_is_cancelled_at_deadline_if_configured() {
    // The error contains the run from the response to the cancel request.
    for (cancel, status, times) in [(true, "cancelling", 1), (false, "in_progress", 0)] {
        let server = server_with_polls(&[Status("in_progress")]).await;
        let poll = poll(&server).interval(MILLISECOND).deadline(SHORT_DEADLINE);
        let result = poll.cancel_on_deadline(cancel).await;
        assert_deadline(result, Some(status));
        assert_eq!(cancels(&server), times);
    }
}

/// The run becomes terminal between the last poll and the cancel request, which therefore fails.
#[tokio::test]
async fn run_that_completes_before_cancel_is_returned() {
    for (after, status) in [("completed", Ok("completed")), ("cancelling", Err("cancelling"))] {
        let cancel_rejected = Arc::new(AtomicUsize::new(0));
        let server = RecordingServer::start_with(move |_, request| match request.method.as_str() {
            "POST" => {
                cancel_rejected.store(1, Ordering::SeqCst);
                http_response(400, &[], r#"{"error": {"message": "Cannot cancel run."}}"#)
            }
            _ if cancel_rejected.load(Ordering::SeqCst) == 1 => {
                json_response(&run_with_status(after))
            }
            _ => json_response(&run_with_status("in_progress")),
        })
        .await;
        let result = poll(&server)
            .interval(MILLISECOND)
            .deadline(SHORT_DEADLINE)
            .cancel_on_deadline(true)
            .await;
        match status {
            Ok(status) => assert_eq!(result.unwrap().status, status),
            Err(status) => drop(assert_deadline(result, Some(status))),
        }
        assert_eq!(cancels(&server), 1);
    }
}

#[tokio::test]
async fn cancel_on_deadline_and_on_drop_send_one_cancel() {
    let server = server_with_polls(&[Status("in_progress")]).await;
    let poll = poll(&server).interval(MILLISECOND).deadline(SHORT_DEADLINE);
    poll.cancel_on_deadline(true).cancel_on_drop(true).await.unwrap_err();
    assert_cancels(&server, 1).await;
}

#[tokio::test]
async fn run_that_stopped_is_not_cancelled() {
    for script in [
        &[Status("in_progress"), Status("completed")],
        &[Status("queued"), Status("requires_action")],
    ] {
        let server = server_with_polls(script).await;
        let poll = || {
            let poll = poll(&server).interval(HOUR).deadline(SHORT_DEADLINE);
            poll.cancel_on_deadline(true).cancel_on_drop(true)
        };
        poll().await.unwrap();
        let mut stream = poll().watch();
        while stream.try_next().await.unwrap().is_some() {}
        drop(stream);
        // Dropped after the last update, before the stream has returned `None`.
        let mut stream = poll().watch();
        stream.try_next().await.unwrap();
        drop(stream);
        assert_cancels(&server, 0).await;
    }
}

/// The server does not respond to the cancel request either. The clock is paused after the first
/// request, when only timers are left.
#[tokio::test]
async fn hanging_cancel_does_not_extend_deadline() {
    let server = RecordingServer::start(|_| hanging_response()).await;
    let poll = poll(&server).deadline(Duration::from_secs(60)).cancel_on_deadline(true);
    let result = tokio::spawn(poll.into_future());
    while server.count() == 0 {
        tokio::time::sleep(MILLISECOND).await;
    }
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    assert_deadline(result.await.unwrap(), None);
    assert!(start.elapsed() < Duration::from_secs(90), "{:?}", start.elapsed());
}

#[tokio::test]
async fn dropping_future_cancels_run_if_configured() {
    for (cancel, times) in [(true, 1), (false, 0)] {
        let server = server_with_polls(&[Status("in_progress")]).await;
        let poll = poll(&server).interval(MILLISECOND).deadline(HOUR).cancel_on_drop(cancel);
        let dropped = tokio::time::timeout(SHORT_DEADLINE, poll.into_future()).await;
        assert!(dropped.is_err());
        assert_cancels(&server, times).await;
    }
}

#[tokio::test]
async fn dropping_stream_cancels_run_if_configured() {
    let server = server_with_polls(&[Status("in_progress")]).await;
    let mut stream = poll(&server).interval(MILLISECOND).cancel_on_drop(true).watch();
    stream.try_next().await.unwrap().unwrap();
    assert_eq!(cancels(&server), 0);
    drop(stream);
    assert_cancels(&server, 1).await;
}

/// A poll that was cloned or never awaited has not started.
#[tokio::test]
async fn dropping_unstarted_poll_cancels_nothing() {
    let server = server_with_polls(&[Status("in_progress")]).await;
    let poll = poll(&server).cancel_on_drop(true);
    drop(poll.clone());
    drop(poll.clone().into_future());
    drop(poll.watch());
    assert_cancels(&server, 0).await;
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn no_request_is_sent_after_drop() {
    let server = server_with_statuses(&["in_progress"]).await;
    let mut stream = poll(&server).interval(MILLISECOND).deadline(HOUR).watch();
    stream.try_next().await.unwrap().unwrap();
    let pending = tokio::time::timeout(Duration::from_millis(20), stream.try_next()).await;
    assert!(pending.is_err());
    drop(stream);
    let future = poll(&server).interval(MILLISECOND).deadline(HOUR).into_future();
    assert!(tokio::time::timeout(SHORT_DEADLINE, future).await.is_err());
    tokio::time::sleep(Duration::from_millis(10)).await; // for requests in flight
    let before = server.count();
    assert!(before > 2);
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(server.count(), before);
}
