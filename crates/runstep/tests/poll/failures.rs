//! Looks that fail.

use super::*;

/// With the next change, since each change is told once.
#[tokio::test]
async fn failures_are_told_and_the_poll_goes_on() {
    for status in [408, 429, 500, 503] {
        let server = Recorder::start(move |number| match number {
            0 | 3 => json(&run("queued")),
            1 | 2 => reply(status, &[], r#"{"error": {"message": "Oh no"}}"#),
            4 => json(&run("in_progress")),
            _ => json(&run("completed")),
        })
        .await;
        let mut updates = poll(&server).interval(TINY).into_stream();
        let mut told = Vec::new();
        while let Some(update) = updates.try_next().await.unwrap() {
            let failures: Vec<_> = update.failures.iter().map(Error::status).collect();
            told.push((update.status.to_string(), failures));
        }
        let expected = [
            ("queued".to_owned(), vec![]),
            ("in_progress".to_owned(), vec![Some(status); 2]),
            ("completed".to_owned(), vec![]),
        ];
        assert_eq!(told, expected);
        assert_eq!(server.count(), 6);
    }
}

/// However many there were, the last eight are kept, and of each the beginning.
#[tokio::test]
async fn failures_take_no_memory_without_end() {
    let server = Recorder::start(|number| match number {
        0..20 => reply(500, &[], format!("{number} {}", "x".repeat(1 << 20))),
        _ => json(&run("completed")),
    })
    .await;
    let policy = PollErrorPolicy::default().in_a_row(u32::MAX);
    let mut updates = poll(&server).interval(TINY).error_policy(policy).into_stream();
    let update = updates.try_next().await.unwrap().unwrap();
    let bodies: Vec<&str> = update.failures.iter().map(|error| error.body().unwrap()).collect();
    assert_eq!(bodies.len(), 8);
    for (number, body) in (12..20).zip(bodies) {
        assert!(body.starts_with(&format!("{number} xxx")) && body.len() < 20_000);
    }
}

#[tokio::test]
async fn failures_before_the_run_is_seen_are_told_with_it() {
    let server = looks(&[Fails(500), Fails(502), Run("completed")]).await;
    let mut updates = poll(&server).interval(TINY).into_stream();
    let update = updates.try_next().await.unwrap().unwrap();
    let failures: Vec<_> = update.failures.iter().map(Error::status).collect();
    assert_eq!((update.status.as_str(), failures), ("completed", vec![Some(500), Some(502)]));
    assert!(updates.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_broken_connection_is_a_failure_that_passes() {
    let completed = Act::ok(run("completed"));
    let acts = [Act::Reset, Act::ResetInBody(Vec::new()), Act::CloseInBody, completed];
    let server = Script::of(acts).await;
    let poll = server.client().runs("t").poll("r").interval(TINY);
    assert_eq!(poll.deadline(HOUR).await.unwrap().status, "completed");
    assert_eq!(server.count(), 4);
}

#[tokio::test]
async fn a_look_that_times_out_is_a_failure_that_passes() {
    let server = Recorder::start(|number| match number {
        0 => hanging(),
        _ => json(&run("completed")),
    })
    .await;
    let client = server.builder().timeout(SOON).build().unwrap();
    let mut updates = client.runs("t").poll("r").interval(TINY).into_stream();
    let update = updates.try_next().await.unwrap().unwrap();
    assert!(update.failures[0].is_timeout());
}

#[tokio::test]
async fn too_many_failures_in_a_row_end_it_with_the_last_run() {
    for (policy, tolerated) in [
        (PollErrorPolicy::default(), 5),
        (PollErrorPolicy::default().in_a_row(2), 2),
        (PollErrorPolicy::none(), 0),
    ] {
        let server = looks(&[Run("in_progress"), Fails(503)]).await;
        let ended = poll(&server).interval(TINY).error_policy(policy).await;
        let error = ended.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(503)));
        assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
        assert_eq!(server.count(), 1 + tolerated + 1);
        let client = server.builder().poll_error_policy(policy).build().unwrap();
        let before = server.count();
        client.runs("thread_abc123").poll("run_abc123").interval(TINY).await.unwrap_err();
        assert_eq!(server.count(), before + tolerated + 1, "the client's policy");
    }
}

/// A look that works begins the count again.
#[tokio::test]
async fn failures_are_counted_in_a_row() {
    let server = looks(&[
        Run("queued"),
        Fails(500),
        Fails(500),
        Run("queued"),
        Fails(500),
        Fails(500),
        Run("completed"),
    ])
    .await;
    let policy = PollErrorPolicy::default().in_a_row(2);
    poll(&server).interval(TINY).error_policy(policy).await.unwrap();
    assert_eq!(server.count(), 7);
}

#[tokio::test]
async fn what_does_not_pass_ends_it_at_once() {
    for fails in [&[Fails(404)], &[Fails(400)], &[Fails(401)], &[Fails(403)]] {
        let server = looks(fails).await;
        let error = poll(&server).interval(TINY).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Api);
        assert_eq!(server.count(), 1);
    }
    let server = Recorder::with_json(serde_json::json!({"id": 7})).await;
    assert!(poll(&server).interval(TINY).await.unwrap_err().is_decode());
    assert_eq!(server.count(), 1);
}

/// Six looks, although the client would send each of them seven times.
#[tokio::test]
async fn retries_are_not_nested_in_a_poll() {
    let server = looks(&[Fails(500)]).await;
    let client = server.builder().retry_policy(quick().attempts(7)).build().unwrap();
    let poll = client.runs("thread_abc123").poll("run_abc123").interval(TINY);
    poll.clone().await.unwrap_err();
    assert_eq!(server.count(), 6);
    poll.with_steps(true).await.unwrap_err();
    assert_eq!(server.count(), 12);
}

#[tokio::test]
async fn how_long_a_look_may_take_can_be_said() {
    let server = Recorder::start(|_| hanging()).await;
    let poll = poll(&server).request_timeout(SOON).error_policy(PollErrorPolicy::none());
    assert!(poll.await.unwrap_err().is_timeout());
}

/// A look takes no longer than half a minute, although the client's requests may.
#[tokio::test]
async fn a_look_is_given_up_in_time() {
    let server = Recorder::start(|_| hanging()).await;
    let poll = poll(&server).deadline(HOUR).error_policy(PollErrorPolicy::none());
    let ended = tokio::spawn(poll.into_future());
    while server.count() == 0 {
        tokio::time::sleep(TINY).await;
    }
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert!(ended.await.unwrap().unwrap_err().is_timeout());
    assert!(begun.elapsed() <= Duration::from_secs(31), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_goes_along_with_the_requests_of_a_poll_can_be_said() {
    let server = looks(&[Run("in_progress")]).await;
    let poll = poll(&server).interval(TINY).deadline(SOON).with_steps(true);
    let poll = poll.header("x-tenant", "7").query("region", "eu");
    poll.cancel_on_deadline(true).error_policy(PollErrorPolicy::none()).await.unwrap_err();
    let seen = server.seen();
    assert!(seen.len() > 1);
    for request in seen {
        assert_eq!(request.header("x-tenant"), Some("7"), "{request:?}");
        assert!(request.target.contains("region=eu"), "{request:?}");
    }
}
