//! Poll requests that fail, and how many failures are tolerated.

use super::*;

/// The failures are part of the next update.
#[tokio::test]
async fn transient_failures_are_reported_and_polling_continues() {
    for status in [408, 429, 500, 503] {
        let server = RecordingServer::start(move |number| match number {
            0 | 3 => json_response(&run_with_status("queued")),
            1 | 2 => http_response(status, &[], r#"{"error": {"message": "scripted failure"}}"#),
            4 => json_response(&run_with_status("in_progress")),
            _ => json_response(&run_with_status("completed")),
        })
        .await;
        let mut updates = poll(&server).interval(MILLISECOND).watch();
        let mut reported = Vec::new();
        while let Some(update) = updates.try_next().await.unwrap() {
            let failures: Vec<_> = update.tolerated_errors.iter().map(Error::status).collect();
            reported.push((update.status.to_string(), failures));
        }
        let expected = [
            ("queued".to_owned(), vec![]),
            ("in_progress".to_owned(), vec![Some(status); 2]),
            ("completed".to_owned(), vec![]),
        ];
        assert_eq!(reported, expected);
        assert_eq!(server.count(), 6);
    }
}

/// An update contains the last eight failures, each with the beginning of its body.
#[tokio::test]
async fn reported_failures_are_bounded() {
    let server = RecordingServer::start(|number| match number {
        0..20 => http_response(500, &[], format!("{number} {}", "x".repeat(1 << 20))),
        _ => json_response(&run_with_status("completed")),
    })
    .await;
    let policy = PollErrorPolicy::default().max_consecutive_errors(u32::MAX);
    // 20 MiB of error bodies take longer than the usual deadline on a busy machine.
    let poll = poll(&server).deadline(HOUR / 60).interval(MILLISECOND);
    let mut updates = poll.error_policy(policy).watch();
    let update = updates.try_next().await.unwrap().unwrap();
    let bodies: Vec<&str> =
        update.tolerated_errors.iter().map(|error| error.body().unwrap()).collect();
    assert_eq!(bodies.len(), 8);
    for (number, body) in (12..20).zip(bodies) {
        assert!(body.starts_with(&format!("{number} xxx")) && body.len() < 20_000);
    }
}

#[tokio::test]
async fn failures_before_first_state_are_reported_with_it() {
    let server = server_with_polls(&[HttpError(500), HttpError(502), Status("completed")]).await;
    let mut updates = poll(&server).interval(MILLISECOND).watch();
    let update = updates.try_next().await.unwrap().unwrap();
    let failures: Vec<_> = update.tolerated_errors.iter().map(Error::status).collect();
    assert_eq!((update.status.as_str(), failures), ("completed", vec![Some(500), Some(502)]));
    assert!(updates.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn broken_connection_is_transient() {
    let completed = Behavior::ok(run_with_status("completed"));
    let behaviors =
        [Behavior::Reset, Behavior::ResetInBody(Vec::new()), Behavior::CloseInBody, completed];
    let server = ScriptedServer::start(behaviors).await;
    let poll = server.client().runs("t").poll("r").interval(MILLISECOND);
    assert_eq!(poll.deadline(HOUR).await.unwrap().status, "completed");
    assert_eq!(server.count(), 4);
}

#[tokio::test]
async fn request_timeout_is_transient() {
    let server = RecordingServer::start(|number| match number {
        0 => hanging_response(),
        _ => json_response(&run_with_status("completed")),
    })
    .await;
    let client = server.builder().timeout(SHORT_DEADLINE).build().unwrap();
    let mut updates = client.runs("t").poll("r").interval(MILLISECOND).watch();
    let update = updates.try_next().await.unwrap().unwrap();
    assert!(update.tolerated_errors[0].is_timeout());
}

#[tokio::test]
async fn too_many_consecutive_failures_end_poll_with_last_run() {
    for (policy, tolerated) in [
        (PollErrorPolicy::default(), 5),
        (PollErrorPolicy::default().max_consecutive_errors(2), 2),
        (PollErrorPolicy::none(), 0),
    ] {
        let server = server_with_polls(&[Status("in_progress"), HttpError(503)]).await;
        let result = poll(&server).interval(MILLISECOND).error_policy(policy).await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(503)));
        assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
        assert_eq!(server.count(), 1 + tolerated + 1);
        let client = server.builder().poll_error_policy(policy).build().unwrap();
        let before = server.count();
        client.runs("thread_abc123").poll("run_abc123").interval(MILLISECOND).await.unwrap_err();
        assert_eq!(server.count(), before + tolerated + 1, "the client's policy");
    }
}

/// A successful poll resets the count.
#[tokio::test]
async fn only_consecutive_failures_count() {
    let server = server_with_polls(&[
        Status("queued"),
        HttpError(500),
        HttpError(500),
        Status("queued"),
        HttpError(500),
        HttpError(500),
        Status("completed"),
    ])
    .await;
    let policy = PollErrorPolicy::default().max_consecutive_errors(2);
    poll(&server).interval(MILLISECOND).error_policy(policy).await.unwrap();
    assert_eq!(server.count(), 7);
}

#[tokio::test]
async fn permanent_failure_ends_poll_immediately() {
    for script in [&[HttpError(404)], &[HttpError(400)], &[HttpError(401)], &[HttpError(403)]] {
        let server = server_with_polls(script).await;
        let error = poll(&server).interval(MILLISECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Api);
        assert_eq!(server.count(), 1);
    }
    let server = RecordingServer::with_json(json!({"id": 7})).await;
    assert!(poll(&server).interval(MILLISECOND).await.unwrap_err().is_decode());
    assert_eq!(server.count(), 1);
}

/// Six requests, although the client's retry policy allows seven attempts for each.
#[tokio::test]
async fn poll_requests_are_not_retried() {
    let server = server_with_polls(&[HttpError(500)]).await;
    let client = server.builder().retry_policy(fast_retries().max_attempts(7)).build().unwrap();
    let poll = client.runs("thread_abc123").poll("run_abc123").interval(MILLISECOND);
    poll.clone().await.unwrap_err();
    assert_eq!(server.count(), 6);
    poll.with_steps(true).await.unwrap_err();
    assert_eq!(server.count(), 12);
}

#[tokio::test]
async fn request_timeout_of_poll_can_be_set() {
    let server = RecordingServer::start(|_| hanging_response()).await;
    let poll = poll(&server).request_timeout(SHORT_DEADLINE).error_policy(PollErrorPolicy::none());
    assert!(poll.await.unwrap_err().is_timeout());
}

/// A poll request times out after 30 seconds, even if the client's own timeout is longer.
#[tokio::test]
async fn poll_requests_have_a_shorter_default_timeout() {
    let server = RecordingServer::start(|_| hanging_response()).await;
    let poll = poll(&server).deadline(HOUR).error_policy(PollErrorPolicy::none());
    let result = tokio::spawn(poll.into_future());
    while server.count() == 0 {
        tokio::time::sleep(MILLISECOND).await;
    }
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    assert!(result.await.unwrap().unwrap_err().is_timeout());
    assert!(start.elapsed() <= Duration::from_secs(31), "{:?}", start.elapsed());
}

#[tokio::test]
async fn headers_and_query_apply_to_every_poll_request() {
    let server = server_with_polls(&[Status("in_progress")]).await;
    let poll = poll(&server).interval(MILLISECOND).deadline(SHORT_DEADLINE).with_steps(true);
    let poll = poll.header("x-tenant", "7").query("region", "eu");
    poll.cancel_on_deadline(true).error_policy(PollErrorPolicy::none()).await.unwrap_err();
    let requests = server.requests();
    assert!(requests.len() > 1);
    for request in requests {
        assert_eq!(request.header("x-tenant"), Some("7"), "{request:?}");
        assert!(request.target.contains("region=eu"), "{request:?}");
    }
}
