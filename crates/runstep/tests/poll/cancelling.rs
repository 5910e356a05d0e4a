//! Polls that cancel the run, and what a drop leaves behind.

use super::*;

#[tokio::test]
async fn the_run_is_cancelled_on_the_deadline_if_asked() {
    // The error has the run as the cancel left it.
    for (cancel, status, times) in [(true, "cancelling", 1), (false, "in_progress", 0)] {
        let server = looks(&[Run("in_progress")]).await;
        let poll = poll(&server).interval(TINY).deadline(SOON);
        let late = poll.cancel_on_deadline(cancel).await;
        assert_deadline(late, Some(status));
        assert_eq!(cancels(&server), times);
    }
}

/// Between the last look and the cancel the run has ended, so the server refuses the cancel.
#[tokio::test]
async fn a_run_that_ended_before_the_cancel_is_given_after_all() {
    for (after, status) in [("completed", Ok("completed")), ("cancelling", Err("cancelling"))] {
        let refused = Arc::new(AtomicUsize::new(0));
        let server = Recorder::answering(move |_, request| match request.method.as_str() {
            "POST" => {
                refused.store(1, Ordering::SeqCst);
                reply(400, &[], r#"{"error": {"message": "Cannot cancel run."}}"#)
            }
            _ if refused.load(Ordering::SeqCst) == 1 => json(&run(after)),
            _ => json(&run("in_progress")),
        })
        .await;
        let ended = poll(&server).interval(TINY).deadline(SOON).cancel_on_deadline(true).await;
        match status {
            Ok(status) => assert_eq!(ended.unwrap().status, status),
            Err(status) => drop(assert_deadline(ended, Some(status))),
        }
        assert_eq!(cancels(&server), 1);
    }
}

#[tokio::test]
async fn both_kinds_of_cancelling_cancel_once() {
    let server = looks(&[Run("in_progress")]).await;
    let poll = poll(&server).interval(TINY).deadline(SOON);
    poll.cancel_on_deadline(true).cancel_on_drop(true).await.unwrap_err();
    settled(&server, 1).await;
}

#[tokio::test]
async fn a_run_that_has_settled_is_not_cancelled() {
    for script in
        [&[Run("in_progress"), Run("completed")], &[Run("queued"), Run("requires_action")]]
    {
        let server = looks(script).await;
        let poll = || {
            let poll = poll(&server).interval(HOUR).deadline(SOON);
            poll.cancel_on_deadline(true).cancel_on_drop(true)
        };
        poll().await.unwrap();
        let mut stream = poll().into_stream();
        while stream.try_next().await.unwrap().is_some() {}
        drop(stream);
        // Dropped right after the last update, without asking for the end.
        let mut stream = poll().into_stream();
        stream.try_next().await.unwrap();
        drop(stream);
        settled(&server, 0).await;
    }
}

/// The deadline holds although the server does not answer the cancel either. Time is paused once
/// all is silent.
#[tokio::test]
async fn a_cancel_that_hangs_does_not_carry_a_poll_beyond_its_deadline() {
    let server = Recorder::start(|_| hanging()).await;
    let poll = poll(&server).deadline(Duration::from_secs(60)).cancel_on_deadline(true);
    let ended = tokio::spawn(poll.into_future());
    while server.count() == 0 {
        tokio::time::sleep(TINY).await;
    }
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert_deadline(ended.await.unwrap(), None);
    assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_run_is_cancelled_when_the_future_is_dropped_if_asked() {
    for (cancel, times) in [(true, 1), (false, 0)] {
        let server = looks(&[Run("in_progress")]).await;
        let poll = poll(&server).interval(TINY).deadline(HOUR).cancel_on_drop(cancel);
        let dropped = tokio::time::timeout(SOON, poll.into_future()).await;
        assert!(dropped.is_err());
        settled(&server, times).await;
    }
}

#[tokio::test]
async fn the_run_is_cancelled_when_the_stream_is_dropped_if_asked() {
    let server = looks(&[Run("in_progress")]).await;
    let mut stream = poll(&server).interval(TINY).cancel_on_drop(true).into_stream();
    stream.try_next().await.unwrap().unwrap();
    assert_eq!(cancels(&server), 0);
    drop(stream);
    settled(&server, 1).await;
}

/// A poll that is never awaited, or cloned, cancels nothing.
#[tokio::test]
async fn a_poll_that_did_nothing_leaves_nothing_behind() {
    let server = looks(&[Run("in_progress")]).await;
    let poll = poll(&server).cancel_on_drop(true);
    drop(poll.clone());
    drop(poll.clone().into_future());
    drop(poll.into_stream());
    settled(&server, 0).await;
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn nothing_is_sent_after_a_drop() {
    let server = server_of(&["in_progress"]).await;
    let mut stream = poll(&server).interval(TINY).deadline(HOUR).into_stream();
    stream.try_next().await.unwrap().unwrap();
    let pending = tokio::time::timeout(Duration::from_millis(20), stream.try_next()).await;
    assert!(pending.is_err());
    drop(stream);
    let future = poll(&server).interval(TINY).deadline(HOUR).into_future();
    assert!(tokio::time::timeout(SOON, future).await.is_err());
    tokio::time::sleep(Duration::from_millis(10)).await; // what was on its way arrives
    let before = server.count();
    assert!(before > 2);
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(server.count(), before);
}
